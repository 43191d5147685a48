"""What was changed: all that an action's verification and inverse need, in another process, days later."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from signals.decisions import OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef
from signals.plans import ActionPlan


class ActionState(StrEnum):
    """Where an action stands. A closed list, stable in `-o json`."""

    SHADOW = "shadow"
    """Would have been applied; the namespace is in shadow mode."""
    STAGED = "staged"
    """Planned and dry-run; waits for a person."""
    REFUSED = "refused"
    """The executor would not: predicate, protection, cap, stop, or a person said no."""
    FAILED = "failed"
    """The API server would not."""
    POSTPONED = "postponed"
    """Firebreak is stopped. It is judged again after the resume."""
    DUE = "due"
    """On record and not written yet: its turn has not come."""
    APPLIED = "applied"
    """Written; not yet verified."""
    EFFECTIVE = "effective"
    """Written, and measured to work."""
    UNVERIFIED = "unverified"
    """Written and standing; whether traffic stopped cannot be known here."""
    INEFFECTIVE = "ineffective"
    """Written, and somebody undid part of it."""
    DRIFTED = "drifted"
    """The undo stopped: somebody else changed what we wrote. A person decides."""
    REVERTED = "reverted"
    """Put back as it was."""
    DONE = "done"
    """Carried out and over: nothing of it is left in the cluster, and there is nothing to put back."""

    @property
    def stands(self) -> bool:
        """Whether something of ours is in the cluster."""
        return self in _STANDING


_STANDING = frozenset(
    {
        ActionState.APPLIED,
        ActionState.EFFECTIVE,
        ActionState.UNVERIFIED,
        ActionState.INEFFECTIVE,
        ActionState.DRIFTED,
    }
)


class Result(StrEnum):
    """The answer of one check."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Check(BaseModel, frozen=True):
    """One thing that was verified. `what` is one of object, flow, token, process, endpoint."""

    what: str
    result: Result
    how: str


class Captured(BaseModel, frozen=True):
    """One piece of evidence that an action has kept, or could not keep."""

    name: str
    """Its key where evidence is kept; for one that failed, what it would have been."""
    what: str
    """What it is, for a person: `log of container web, previous run`."""
    sha256: str = ""
    """Of the bytes that are kept; empty where nothing is."""
    size: int = 0
    """Bytes kept."""
    failed: str = ""
    """Why it could not be had; empty where it is kept."""


class Receipt(BaseModel, frozen=True):
    """One action, as it was carried out. The only link between its apply and its revert."""

    action: PlannedAction
    incident: str
    cluster: ClusterRef
    plan: ActionPlan
    plan_hash: str
    state: ActionState
    reason: str = ""
    group: str = ""
    """Who waits for the same limit is asked about together."""
    applied_at: datetime | None = None
    expires_at: datetime | None = None
    reverted_at: datetime | None = None
    halted: bool = False
    """A stop came in the middle of its writes: the rest is written after the resume."""
    extended: int = 0
    """How often it was let stand for longer because nobody answered."""
    checks: tuple[Check, ...] = ()
    evidence: tuple[Captured, ...] = ()
    """What it has captured, in the order of volatility."""
    approved_by: str | None = None
    tier: Tier = Tier.ISOLATE
    """Of the decision that asked for it."""
    implicated: tuple[str, ...] = ()
    """Accounts that may not decide about it, as that decision says."""
    trace: dict[str, str] = Field(default_factory=dict)
    """The trace context of the alert that led to it."""

    @property
    def on_expiry(self) -> OnExpiry:
        """What happens when the time is up and nobody spoke."""
        return self.action.on_expiry

    def older_than(self, known: "Receipt | None") -> bool:
        """Return whether this tells how it was before what is known: its turn is over, or it was approved since."""
        if known is None:
            return False
        due_again = self.state is ActionState.DUE and known.state is not ActionState.DUE
        return due_again or (known.approved_by is not None and self.approved_by is None)
