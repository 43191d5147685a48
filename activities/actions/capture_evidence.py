"""Keeps what can be had of a pod before it is gone: what runs in it, its logs, and what is on record about it.

The capturer looks; what it needs to look is a RoleBinding in the pod's namespace, which is made here and taken
away as soon as the capture is over.
"""

from activities.action import Action, CaseRef, Performed
from activities.containment import blocked, metadata, policy_ref
from activities.holding import lost, objects, sights
from activities.ports import CAPTURES, ROLE_BINDINGS, Cluster
from activities.targets import read_all
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Captured, Check, Receipt
from signals.subjects import CAPTURE_ACTION, CAPTURER, CAPTURER_ROLE, NAMESPACE

RESIDUAL = (
    "what a container prints about itself may be the intruder's words",
    "memory and files of the pod are not captured",
)
_GROUP = "rbac.authorization.k8s.io"


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan the right to look, in each namespace that has a target."""
    targets = await read_all(cluster, action.targets)
    pods = [target.pod for target in targets if target.pod]
    missing = tuple(target.obstacle for target in targets if target.obstacle)
    if not pods:
        return blocked(action, "; ".join(missing))
    namespaces = sorted({str(pod["metadata"]["namespace"]) for pod in pods})
    return ActionPlan(
        action=action,
        writes=tuple(_right(namespace, action, case) for namespace in namespaces),
        inverse=Inverse.EXACT,
        summary=action.summary,
        residual=(*RESIDUAL, *missing),
    )


def _right(namespace: str, action: PlannedAction, case: CaseRef) -> Write:
    named = policy_ref(case, namespace, action.type)
    ref = ROLE_BINDINGS.ref(named.name, namespace)
    manifest = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(ref, case, action),
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": CAPTURER_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": CAPTURER, "namespace": NAMESPACE}],
    }
    return Write(kind=WriteKind.CREATE, ref=ref, manifest=manifest)


async def perform(cluster: Cluster, receipt: Receipt) -> Performed:
    """Have it captured. What could not be had is named among the evidence; only nothing at all is a failure."""
    action = receipt.action
    ordered = {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Capture",
        "spec": {
            "incident": receipt.incident,
            "targets": [target.model_dump(mode="json") for target in action.targets],
        },
    }
    status = (await cluster.create(CAPTURES.ref(action.id), ordered))["status"]
    items = tuple(Captured.model_validate(one) for one in status["items"])
    chain = Captured(name=status["manifest"], what="manifest of this capture", sha256=status["manifest"])
    kept = [one for one in items if not one.failed]
    why = "; ".join(dict.fromkeys(one.failed for one in items)) or "there was nothing to look at"
    return Performed(evidence=(*items, chain), failed="" if kept else why)


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Read the right to look back, while it stands."""
    return (await objects(cluster, receipt.plan),)


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return the right to look where somebody took it away while it was needed."""
    return lost(await sights(cluster, receipt.plan), WriteKind.CREATE)


ACTION = Action(
    name=CAPTURE_ACTION,
    summary="Keep what can be had of a pod as evidence",
    tier=Tier.ISOLATE,
    permissions=("pods: get", f"{_GROUP}/rolebindings: get, create, delete"),
    inverse=Inverse.EXACT,
    on_expiry=OnExpiry.RELEASE,
    ttl="isolate_ttl_seconds",
    example=Entity(cluster=ClusterRef(name="local", uid="c"), kind="Pod", namespace="shop", name="web-0"),
    plan=plan,
    verify=verify,
    hold=hold,
    deferred=True,
    perform=perform,
    passing=True,
)
