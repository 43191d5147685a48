"""The whole story of one incident, as shown to people: `firebreak incidents` and `describe`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from signals.blast import BlastRadius
from signals.decisions import Decision
from signals.entities import ClusterRef, Entity
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.threats import Mode, Severity, ThreatEvent
from signals.verdicts import Suspected, Verdict


class IncidentState(StrEnum):
    """Where an incident stands. A closed list, stable in `-o json`."""

    INVESTIGATING = "investigating"
    """Not judged yet, or being contained this instant."""
    OBSERVED = "observed"
    """Judged; nothing is to be written."""
    AWAITING_APPROVAL = "awaiting-approval"
    """A plan waits for a person."""
    CONTAINED = "contained"
    """Everything that was decided is applied."""
    PARTIALLY_CONTAINED = "partially-contained"
    """Something that was decided could not be applied, or does not hold."""
    SHADOWED = "shadowed"
    """Shadow mode: what would have been done is on record."""
    UNDONE = "undone"
    """Everything is put back; the incident is still open."""
    CLOSED = "closed"
    """Over."""


class WaitingFor(BaseModel, frozen=True):
    """What a person is asked, until when, and who may answer."""

    kind: str
    """`approve the plan` or `release the containment`."""
    plan_hash: str
    """The plan that an answer is bound to."""
    deadline: datetime
    """Afterwards nobody is asked any more."""
    roles: tuple[str, ...]
    """Who may answer: `oncall`, `lead`."""
    target_uids: tuple[str, ...] = ()
    """The objects that an answer is bound to."""
    group: str = ""
    """Others wait for the same limit: all of them are one decision, `firebreak approve --group`."""
    people: int = 1
    """How many different people it takes."""
    approved: tuple[str, ...] = ()
    """Who has said yes so far."""


class ActionSummary(BaseModel, frozen=True):
    """One action, in the list of incidents."""

    id: str
    type: str
    """Name of the action, as in the catalogue."""
    target: str
    """`kind/namespace/name` of what it is about."""
    state: ActionState
    expires_at: datetime | None = None


class Summary(BaseModel, frozen=True):
    """One line of `firebreak incidents`. A stable interface."""

    id: str
    """Workflow id, label `firebreak.dev/case` on what we wrote, and key of its pages."""
    title: str
    """What happened, in a sentence. It may hold text of an attacker."""
    state: IncidentState
    """Where it stands."""
    tier: int
    """How far the response goes, 1 to 4: the highest that it ever was."""
    severity: Severity
    """How bad it would be if it were true."""
    confidence: float | None
    """How sure we are, 0 to 1; null where no detector said."""
    mode: Mode
    """What Firebreak may do in this namespace, as the last judgement knew."""
    opened_at: datetime
    """When the first event arrived."""
    entities: tuple[str, ...] = ()
    """Whom it is about, as `kind/namespace/name`; the first 50."""
    techniques: tuple[str, ...] = ()
    """ATT&CK techniques."""
    actions: tuple[ActionSummary, ...] = ()
    """What was done or is planned: `id`, `type`, `target`, `state`, `expires_at`."""
    waiting_for: WaitingFor | None = None
    """What a person is asked: `kind`, `plan_hash`, `deadline`, `roles`; null where nobody is asked."""
    suspicions: tuple[Suspected, ...] = ()
    """Which detectors spoke, and by which rules; the first 20."""
    exceptions: tuple[str, ...] = ()
    """What was expected and weighs nothing: the exceptions that say so, as `firebreak exceptions` lists them."""
    verdict: Verdict | None = None
    """What it was, as somebody said who closed it; null where nobody did, or later: `firebreak verdicts`."""
    stack: str = ""
    """Digest of what stands: what an undo, extend, stand-down or close is bound to."""
    implicated: tuple[str, ...] = ()
    """Accounts that did what is under suspicion, or are under it: they do not decide here."""


class Moment(BaseModel, frozen=True):
    """One line of the timeline."""

    at: datetime
    what: str
    detail: str = ""


class Relation(StrEnum):
    """How two things in the evidence graph hang together, from source to target. A closed list."""

    OWNS = "owns"
    RUNS_AS = "runs-as"
    RUNS_ON = "runs-on"
    RUNS_IMAGE = "runs-image"
    READS = "reads"
    """A pod is given a Secret or ConfigMap, as a volume or in its environment."""
    SELECTS = "selects"
    BINDS = "binds"
    """A RoleBinding or ClusterRoleBinding names this account."""
    GRANTS = "grants"
    """A binding hands out this role."""
    ROUTES = "routes"
    """An Ingress sends requests from outside the cluster to this Service."""
    HOLDS = "holds"
    """A Namespace holds this object."""
    HAPPENED_TO = "happened-to"
    """A recorded event is about this object."""


class Node(BaseModel, frozen=True):
    """One thing in the evidence graph; `id` is its entity's key."""

    id: str
    entity: Entity
    attributes: dict[str, Any] = Field(default_factory=dict)


class Edge(BaseModel, frozen=True):
    """One typed relation in the evidence graph, between two nodes' ids."""

    source: str
    target: str
    type: Relation


class Investigation(BaseModel, frozen=True):
    """What the probes found: a graph, and what could not be found."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    findings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blast_radius: BlastRadius | None = None
    """What could be reached from there; null where nobody looked."""
    confidence: float = 1.0
    """Share of what was asked that was answered in full: below 1, more may be true than the findings say."""


class Incident(BaseModel, frozen=True):
    """Everything about one incident: `firebreak describe -o json`. A stable interface."""

    summary: Summary
    """What the list shows of it."""
    cluster: ClusterRef
    """Name and UID of the cluster."""
    events: tuple[ThreatEvent, ...] = ()
    """What was seen, with evidence and doubts; the latest 200."""
    left_out: int = 0
    """Events that were seen, judged, and are not kept any more."""
    decisions: tuple[Decision, ...] = ()
    """What was judged, term by term; the latest 10."""
    plan: Plan | None = None
    """The last plan: its writes, its dry run, its hash."""
    receipts: tuple[Receipt, ...] = ()
    """Each action: what was written, how it was verified, how it is undone."""
    investigation: Investigation | None = None
    """What the probes found, as a graph; null before they answered."""
    timeline: tuple[Moment, ...] = ()
    """What happened, line by line; the latest 200."""
    links: tuple[str, ...] = ()
    """Incidents that share something with this one without being the same."""
