"""What was judged: a tier, what to do about it, and the reason term by term."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import ClassVar

from pydantic import BaseModel, Field

from signals.entities import ClusterRef, Entity
from signals.growing import Grown
from signals.threats import Mode, Peer, Severity


class Tier(IntEnum):
    """How far the response goes. Bounds on confidence are half-open: [0, .6) [.6, .8) [.8, .95) [.95, 1]."""

    OBSERVE = 1
    RESTRICT = 2
    ISOLATE = 3
    ESCALATE = 4


class OnExpiry(StrEnum):
    """What happens when an action's time is up and nobody spoke."""

    RELEASE = "release"
    EXTEND = "extend"
    ASK = "ask"


class Inverse(StrEnum):
    """How well an action can be undone."""

    EXACT = "exact"
    PARTIAL = "partial"
    NONE = "none"


class Term(BaseModel, frozen=True):
    """One step of the judgement: what it looked at, what it did to the confidence or tier, and why."""

    name: str
    value: str
    effect: str
    reason: str


class PlannedAction(Grown, frozen=True):
    """One action that a decision asks for. No cluster state: the executor plans it against the live API.

    `index` is the place on the incident's stack: what is applied later is undone first.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"deferred", "tier", "asks"})

    id: str
    type: str
    targets: tuple[Entity, ...]
    index: int
    peer: Peer | None = None
    ttl_seconds: int
    on_expiry: OnExpiry
    summary: str
    deferred: bool = False
    """It is put on record with the others and carried out in its turn, by the owner of the stack."""
    tier: Tier | None = None
    """The tier that its own target has earned; None where it is the decision's."""
    asks: str = ""
    """Why a person decides about this action, whatever becomes of the others; empty where none has to."""

    @property
    def target(self) -> Entity:
        """The first target: the only one, except in a storm."""
        return self.targets[0]


class Silenced(BaseModel, frozen=True):
    """An event that was expected, and the exception that says so."""

    event: str
    exception: str


class Decision(Grown, frozen=True):
    """One judgement over all events of an incident, signed by the orchestrator.

    `execute` says whether the actions may be written without a person; `why_not` says why otherwise.
    `followup_seconds` spreads what follows the first write when many incidents open at once.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"silenced", "implicated"})

    incident: str
    cluster: ClusterRef
    revision: int
    tier: Tier
    confidence: float | None
    severity: Severity
    mode: Mode
    techniques: tuple[str, ...] = ()
    title: str
    terms: tuple[Term, ...]
    actions: tuple[PlannedAction, ...] = ()
    execute: bool = False
    why_not: str = ""
    page: bool = False
    policy_digest: str
    events: tuple[str, ...]
    silenced: tuple[Silenced, ...] = ()
    """What was expected, and weighs nothing."""
    decided_at: datetime
    accepted_at: datetime | None = None
    """When the bus accepted the latest event."""
    followup_seconds: float = 0.0
    implicated: tuple[str, ...] = ()
    """Accounts of the API server that did what is under suspicion, or are under it: they do not decide here."""
    signature: str = ""
    trace: dict[str, str] = Field(default_factory=dict)

    @property
    def remark(self) -> str:
        """Why something is not done, in words; empty where nothing is left undone."""
        names = ", ".join(sorted({one.exception for one in self.silenced}))
        expected = f"expected by {names}: recorded, and nothing is done about it" if names else ""
        return "; ".join(part for part in (self.why_not, expected) if part)
