"""What workflows are started with, and what they ask of activities: one model in, one model out."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from signals.approvals import Answer, Approval
from signals.decisions import Decision, PlannedAction
from signals.entities import ClusterRef, Entity
from signals.incidents import Investigation, Moment, WaitingFor
from signals.pages import Page
from signals.plans import Plan
from signals.receipts import Receipt
from signals.threats import Severity, ThreatEvent


class FalseAlarm(BaseModel, frozen=True):
    """A person undid an incident: the same subject and detector stay at Tier 1 until then."""

    subject: str
    detector: str
    until: datetime


class IncidentInput(BaseModel, frozen=True):
    """What an incident's workflow starts with, and carries over a continue-as-new."""

    incident: str
    cluster: ClusterRef
    liaison_key: str
    """The liaison's public key, PEM: a command without its signature is refused."""
    approval_seconds: int
    false_alarm_seconds: int
    extensions: int
    """How often an isolation whose pod still lives is extended when nobody answers."""
    lead_seconds: int = 0
    """How long before something is put back by itself people are told."""
    holds_on: bool = False
    """What nobody answered for is held on when no extension is left, not put back."""
    quiet_seconds: int
    """An incident with nothing applied and nothing new for so long closes by itself."""
    reopens: str | None = None
    false_alarms: tuple[FalseAlarm, ...] = ()
    carried: "Carried | None" = None


class Carried(BaseModel, frozen=True):
    """An incident's state across a continue-as-new, waiting question and its absolute deadline included."""

    opened_at: datetime
    seen: tuple[str, ...]
    events: tuple[ThreatEvent, ...]
    decisions: tuple[Decision, ...]
    next_index: int
    receipts: tuple[Receipt, ...]
    plan: Plan | None
    staged: Decision | None
    false_alarms: tuple[FalseAlarm, ...]
    stood_down: bool
    investigation: Investigation | None
    timeline: tuple[Moment, ...]
    links: tuple[str, ...]
    waiting: WaitingFor | None
    asked_below: WaitingFor | None = None
    """What the owner of the stack asks."""
    unread: tuple[ThreatEvent, ...]
    """What is not judged yet; all of it is in `events` too."""
    investigated: bool
    used: tuple[str, ...]
    left_out: int = 0
    """Events that were seen and are not kept any more."""
    untold: tuple[Page, ...] = ()
    """What people are still to be told."""


class Batch(BaseModel, frozen=True):
    """Events for one incident, in one signal; `links` are related incidents."""

    events: tuple[ThreatEvent, ...] = ()
    links: tuple[str, ...] = ()


class JudgeRequest(BaseModel, frozen=True):
    """Everything a judgement rests on: the same request gives the same decision."""

    incident: str
    cluster: ClusterRef
    revision: int
    events: tuple[ThreatEvent, ...]
    planned: tuple[PlannedAction, ...] = ()
    """What stands, or what a person refused: never asked for again."""
    due: tuple[PlannedAction, ...] = ()
    """What was decided and is not written yet: its turn comes, or it waits for a person."""
    next_index: int = 0
    """The next free place on the incident's stack."""
    false_alarms: tuple[FalseAlarm, ...] = ()
    investigation: Investigation | None = None


class ApplyRequest(BaseModel, frozen=True):
    """A signed decision to carry out or to stage; with a signed approval where a person decided."""

    decision: Decision
    approval: Approval | None = None


class Disposition(StrEnum):
    """What came of a decision."""

    APPLIED = "applied"
    STAGED = "staged"
    SHADOW = "shadow"
    REFUSED = "refused"
    POSTPONED = "postponed"
    FAILED = "failed"


class Outcome(BaseModel, frozen=True):
    """What the executor did with a decision, and why."""

    disposition: Disposition
    plan: Plan
    receipts: tuple[Receipt, ...] = ()
    reason: str = ""
    roles: tuple[str, ...] = ("oncall", "lead")
    """Who may approve the staged plan."""
    people: int = 1
    """How many different people it takes."""
    group: str = ""
    """Who waits for the same limit is asked about together: one page, one decision."""
    staged: Plan | None = None
    """What of the plan waits for a person, where the rest of it does not; under a hash of its own."""


class StackRequest(BaseModel, frozen=True):
    """Applied actions of one incident, oldest first."""

    incident: str
    cluster: ClusterRef
    receipts: tuple[Receipt, ...]


class Cause(StrEnum):
    """Why a stack is put back."""

    PERSON = "person"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    TARGET_GONE = "target-gone"


class RevertRequest(BaseModel, frozen=True):
    """Put back the whole stack, newest first. `PERSON` needs a signed command."""

    stack: StackRequest
    cause: Cause
    approval: Approval | None = None


class AdvanceRequest(BaseModel, frozen=True):
    """Carry out one action whose turn has come."""

    stack: StackRequest
    action: str
    """Its id."""


OVERDUE_SECONDS = 3600
"""For how long something is held on, at most, once nobody has answered for all of its extensions."""


class ExtendRequest(BaseModel, frozen=True):
    """Move the expiry of the whole stack; by a signed command, or because nobody answered and it must hold."""

    stack: StackRequest
    seconds: int
    approval: Approval | None = None


class Stack(BaseModel, frozen=True):
    """The receipts of one incident after something was done with them."""

    receipts: tuple[Receipt, ...]
    target_gone: bool = False
    """Every pod that the stack holds is gone: nothing is left to contain."""
    notes: tuple[str, ...] = ()


class RemediationInput(BaseModel, frozen=True):
    """What the owner of a stack starts with, and carries over a continue-as-new."""

    stack: StackRequest
    title: str
    severity: Severity
    liaison_key: str
    approval_seconds: int
    extensions_left: int
    lead_seconds: int = 0
    """How long before something is put back by itself people are told."""
    holds_on: bool = False
    """What nobody answered for is held on when no extension is left, not put back."""
    adopted: bool = False
    """Nobody owned it any more: people are told."""
    used: tuple[str, ...] = ()


class InvestigationRequest(BaseModel, frozen=True):
    """Whom the probes and the agents that watch are asked about."""

    incident: str
    cluster: ClusterRef
    subjects: tuple[Entity, ...]
    plan: Plan | None = None
    """What is written or due, to say what it would close."""
    since: datetime | None = None
    """When the first signal was observed; None where nobody said."""


class Heard(BaseModel, frozen=True):
    """What the liaison tells an incident of a person who spoke and has decided nothing yet.

    `approval` is signed: nobody else can have somebody stand there as having said something.
    """

    approval: Approval
    note: str
    """What became of it, in words: who else is needed, or why it does not count."""
    counts: bool = False
    """Whether it counts towards the open question."""


class Report(BaseModel, frozen=True):
    """What the owner of a stack tells its incident; `answers` by the id of the command."""

    receipts: tuple[Receipt, ...]
    notes: tuple[str, ...] = ()
    waiting: WaitingFor | None = None
    answers: dict[str, Answer] = Field(default_factory=dict)


class Closed(BaseModel, frozen=True):
    """The result of an incident's workflow: enough to know a redelivery, and an undone false alarm."""

    events: tuple[str, ...]
    false_alarms: tuple[FalseAlarm, ...] = ()
    reason: str = ""
