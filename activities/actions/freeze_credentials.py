"""Refuses every write with the tokens of a pod, by a `Freeze` object that names it; siblings go on.

One static admission policy of the installation compares the pod UID that a token is bound to with the Freeze
objects there are: it acts within milliseconds, and is undone as fast. The credential-freezer holds the objects.
"""

from activities.action import Action, CaseRef
from activities.containment import blocked, metadata
from activities.holding import lost, objects, sights
from activities.phases import every
from activities.ports import ADMISSION_BINDINGS, ADMISSION_POLICIES, FREEZES, Cluster, Manifest
from activities.targets import read_all
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.errors import NotFound
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Check, Receipt, Result
from signals.subjects import (
    API_VERSION,
    DOMAIN,
    FREEZE_ACTION,
    FROZEN_CREDENTIALS,
    NAMESPACE,
    SYSTEM_NAMESPACES,
)

RESIDUAL = (
    "reads are not stopped: admission never sees them",
    "watches that are open already go on delivering",
    "tokens of the account that are bound to no pod, and legacy token Secrets, are not stopped",
)


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan one Freeze for each pod. Whether another stands already is seen when it is written."""
    targets = await read_all(cluster, action.targets)
    pods = [target.pod for target in targets if target.pod and not _untouchable(target.pod)]
    missing = [target.obstacle for target in targets if target.obstacle]
    missing += [why for target in targets if target.pod and (why := _untouchable(target.pod))]
    if not pods:
        return blocked(action, "; ".join(missing))
    shared = sorted({str(pod["metadata"]["namespace"]) for pod in pods if _account(pod) == "default"})
    return ActionPlan(
        action=action,
        writes=tuple(_freeze(pod, action, case) for pod in pods),
        inverse=Inverse.EXACT,
        summary=action.summary,
        residual=(*RESIDUAL, *(_of_default(namespace) for namespace in shared), *missing),
    )


def _account(pod: Manifest) -> str:
    return str(pod["spec"].get("serviceAccountName") or "default")


def _untouchable(pod: Manifest) -> str:
    """Return why no Freeze would stop this pod: the policy leaves out what the cluster and we live on."""
    namespace = pod["metadata"]["namespace"]
    if namespace in (NAMESPACE, *SYSTEM_NAMESPACES):
        return f"pods of {namespace} are never frozen"
    return ""


def _of_default(namespace: str) -> str:
    return f"the pod uses the account default of {namespace}; other pods that do are not frozen with it"


def _freeze(pod: Manifest, action: PlannedAction, case: CaseRef) -> Write:
    of = pod["metadata"]
    ref = FREEZES.ref(of["uid"])
    manifest = {
        "apiVersion": f"{DOMAIN}/{API_VERSION}",
        "kind": "Freeze",
        "metadata": metadata(ref, case, action),
        "spec": {
            "podUID": of["uid"],
            "namespace": of["namespace"],
            "pod": of["name"],
            "serviceAccount": _account(pod),
        },
    }
    return Write(kind=WriteKind.CREATE, ref=ref, manifest=manifest)


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Read the freezes back, and what makes them act."""
    return await objects(cluster, receipt.plan), await _token(cluster)


async def _token(cluster: Cluster) -> Check:
    """Say whether a freeze acts here. Only the pod has its tokens, so nobody else can try one."""
    name = FROZEN_CREDENTIALS
    try:
        kinds = (ADMISSION_POLICIES, ADMISSION_BINDINGS)
        policy, binding = await every(cluster.get(kind.ref(name)) for kind in kinds)
    except NotFound:
        return Check(
            what="token", result=Result.UNKNOWN, how=f"no admission policy {name} enforces freezes here"
        )
    denies = "Deny" in (binding["spec"].get("validationActions") or [])
    whole = (policy["spec"].get("paramKind") or {}).get("kind") == "Freeze" and "selector" in (
        binding["spec"].get("paramRef") or {}
    )
    if not denies or not whole:
        return Check(what="token", result=Result.FAILED, how=f"{name} was changed and refuses nothing")
    how = f"{name} refuses what is frozen; no write was tried: only the pod has its tokens"
    return Check(what="token", result=Result.UNKNOWN, how=how)


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return the freezes that somebody deleted."""
    return lost(await sights(cluster, receipt.plan), WriteKind.CREATE)


ACTION = Action(
    name=FREEZE_ACTION,
    summary="Refuse all writes with the tokens of a pod",
    tier=Tier.ISOLATE,
    permissions=("pods: get",),
    surroundings=(
        "admissionregistration.k8s.io/validatingadmissionpolicies: get",
        "admissionregistration.k8s.io/validatingadmissionpolicybindings: get",
    ),
    inverse=Inverse.EXACT,
    on_expiry=OnExpiry.ASK,
    ttl="isolate_ttl_seconds",
    example=Entity(cluster=ClusterRef(name="local", uid="c"), kind="Pod", namespace="shop", name="web-0"),
    plan=plan,
    verify=verify,
    hold=hold,
    deferred=True,
)
