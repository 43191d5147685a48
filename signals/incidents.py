"""The whole story of one incident, as shown to people: `firebreak incidents` and `describe`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from signals.decisions import Decision
from signals.entities import ClusterRef, Entity
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.threats import Mode, Severity, ThreatEvent


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
    plan_hash: str
    deadline: datetime
    roles: tuple[str, ...]
    target_uids: tuple[str, ...] = ()


class ActionSummary(BaseModel, frozen=True):
    """One action, in the list of incidents."""

    id: str
    type: str
    target: str
    state: ActionState
    expires_at: datetime | None = None


class Summary(BaseModel, frozen=True):
    """One line of `firebreak incidents`. A stable interface."""

    id: str
    title: str
    state: IncidentState
    tier: int
    severity: Severity
    confidence: float | None
    mode: Mode
    opened_at: datetime
    entities: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    actions: tuple[ActionSummary, ...] = ()
    waiting_for: WaitingFor | None = None


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


class Incident(BaseModel, frozen=True):
    """Everything about one incident: `firebreak describe -o json`. A stable interface."""

    summary: Summary
    cluster: ClusterRef
    events: tuple[ThreatEvent, ...] = ()
    decisions: tuple[Decision, ...] = ()
    plan: Plan | None = None
    receipts: tuple[Receipt, ...] = ()
    investigation: Investigation | None = None
    timeline: tuple[Moment, ...] = ()
    links: tuple[str, ...] = ()
    """Incidents that share something with this one without being the same."""
