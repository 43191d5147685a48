"""What a detector says: one suspicion about one subject, with what it saw."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from signals.entities import ClusterRef, Entity
from signals.evidence import Evidence


class Severity(StrEnum):
    """How bad it would be if it were true."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for the mildest; higher is worse."""
        return list(Severity).index(self)


Technique = Annotated[str, Field(pattern=r"^(T\d{4}(\.\d{3})?|TA\d{4})$")]
"""An ATT&CK technique (`T1059.004`) or tactic (`TA0003`)."""


class Mode(StrEnum):
    """What Firebreak may do in a namespace; `SHADOW` when nothing is said."""

    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


class Peer(BaseModel, frozen=True):
    """The other end of a connection, as the alert named it. The port is the server's, at whichever end that is."""

    address: str
    port: int | None = None
    protocol: str = "TCP"
    direction: str = "Egress"
    pod: Entity | None = None


class ThreatEvent(BaseModel, frozen=True, extra="ignore"):
    """One suspicion. `id` names the suspicion; `revision` rises as the same thing goes on happening.

    `confidence` is a probability in [0, 1], or None where the detector cannot say. `mode`, `enrolled` and
    `owner` are what the agent saw when it published; the executor reads them again before any write.
    """

    id: str
    revision: int = 1
    cluster: ClusterRef
    agent: str
    detector: str
    rule: str
    title: str
    technique: Technique | None = None
    severity: Severity
    confidence: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    subject: Entity
    entities: tuple[Entity, ...] = ()
    owner: Entity | None = None
    mode: Mode = Mode.SHADOW
    enrolled: bool = False
    peer: Peer | None = None
    observed_at: datetime
    accepted_at: datetime | None = None
    count: int = 1
    evidence: tuple[Evidence, ...] = ()
    caveats: tuple[str, ...] = ()
    """What limits this suspicion, in words: the pod is unknown, the text was cut, the clock is off …"""
    unattributed: str = ""
    """Why it is not certain that the subject did this: it does not run where the alert comes from."""
    exception: str = ""
    """The policy line that would silence this suspicion."""
    trace: dict[str, str] = Field(default_factory=dict)
    """The trace context of the alert (`traceparent`), so that one trace spans the incident."""
    proof: str = ""
    """The orchestrator's word that it took this from the bus for this incident: `signals.vouching`."""

    def reduced(self) -> dict[str, Any]:
        """Return what crosses into a workflow: plain JSON values."""
        return self.model_dump(mode="json")
