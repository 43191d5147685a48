"""Evicts a pod through the eviction API, which heeds disruption budgets; what is lost with it is lost.

Whether that helps depends on who owns the pod. A DaemonSet or a static pod is back at once in the same place:
refused. A StatefulSet brings it back on the same volume, and a bare pod never comes back: a person decides.
"""

import asyncio
import time
from typing import Any

from activities.action import Action, CaseRef, Performed
from activities.containment import blocked
from activities.evicting import LONGEST_GRACE
from activities.phases import every
from activities.ports import PODS, Cluster, Manifest
from activities.targets import Target, read, read_all
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Check, Receipt, Result

PATIENCE_SECONDS = LONGEST_GRACE + 5.0
"""How long it is watched whether the pod goes."""
BETWEEN_SECONDS = 0.25

COMES_BACK = frozenset({"ReplicaSet", "ReplicationController", "Job"})
"""Owners that make another pod, elsewhere and with nothing of the old one in it."""
WARNINGS = {
    "ReplicaSet": "its replacement runs the same image, with the same hole",
    "ReplicationController": "its replacement runs the same image, with the same hole",
    "Job": "its Job counts the eviction as a failure",
}


def _owner(pod: Manifest) -> str:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), "")


def _obstacle(target: Target) -> Target:
    """Add why evicting a pod would achieve nothing."""
    if target.pod is None:
        return target
    why, owner = "", _owner(target.pod)
    annotations = target.pod["metadata"].get("annotations") or {}
    if owner == "Node" or "kubernetes.io/config.mirror" in annotations:
        why = "it is a static pod: its node runs it again, whatever the API server does"
    elif owner == "DaemonSet":
        why = "a DaemonSet owns it: it is back on the same node at once"
    return Target(target.entity, target.pod, f"{target.entity} is not evicted: {why}") if why else target


def _concern(target: Entity, pod: Manifest) -> str:
    """Return why a person must decide about one eviction, or nothing."""
    owner = _owner(pod)
    if owner in COMES_BACK:
        return ""
    if owner == "StatefulSet":
        return f"{target} comes back under its name, with its volume: what was left on it survives"
    if owner:
        return f"{target} is owned by a {owner}: whether that brings it back is not known here"
    return f"{target} has no owner: nothing brings it back"


def _write(pod: Manifest) -> Write:
    metadata = pod["metadata"]
    asked = pod["spec"].get("terminationGracePeriodSeconds", 30)
    options = {
        "gracePeriodSeconds": max(1, min(asked, LONGEST_GRACE)),
        "preconditions": {"uid": metadata["uid"]},
    }
    manifest: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": options,
    }
    ref = PODS.ref(metadata["name"], metadata["namespace"], metadata["uid"])
    return Write(kind=WriteKind.EVICT, ref=ref, manifest=manifest)


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan one eviction for each pod that it would help with."""
    targets = [_obstacle(target) for target in await read_all(cluster, action.targets)]
    pods = [(target.entity, target.pod) for target in targets if target.pod and not target.obstacle]
    missing = tuple(target.obstacle for target in targets if target.obstacle)
    if not pods:
        return blocked(action, "; ".join(missing)).model_copy(update={"inverse": Inverse.NONE})
    warnings = {WARNINGS[owner] for _, pod in pods if (owner := _owner(pod)) in WARNINGS}
    return ActionPlan(
        action=action,
        writes=tuple(_write(pod) for _, pod in pods),
        inverse=Inverse.NONE,
        summary=action.summary,
        residual=(*sorted(warnings), *missing),
        concerns=tuple(why for target, pod in pods if (why := _concern(target, pod))),
    )


async def perform(cluster: Cluster, receipt: Receipt) -> Performed:
    """Watch whether the pods go, as long as they were given and a little longer."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        checks = await verify(cluster, receipt)
        if Result.UNKNOWN not in {check.result for check in checks if check.what == "object"}:
            break
        if time.monotonic() > end:
            break
        await asyncio.sleep(BETWEEN_SECONDS)
    stays = [check.how for check in checks if check.result is Result.FAILED]
    return Performed(checks=checks, failed="; ".join(stays))


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Look whether the very pods are gone, by UID; what runs on a node nobody here can see."""
    evicted = {write.ref.uid for write in receipt.plan.writes}
    wanted = [target for target in receipt.action.targets if target.uid in evicted]
    seen = await every(read(cluster, target) for target in wanted)
    unseen = Check(
        what="process", result=Result.UNKNOWN, how="nobody looked on its node whether a process lives on"
    )
    return *(_gone(target) for target in seen), unseen


def _gone(target: Target) -> Check:
    if target.pod is None:
        return Check(
            what="object", result=Result.PASSED, how=f"{target.entity}, UID {target.entity.uid}, is gone"
        )
    if "deletionTimestamp" in target.pod["metadata"]:
        return Check(what="object", result=Result.UNKNOWN, how=f"{target.entity} is still ending")
    return Check(what="object", result=Result.FAILED, how=f"{target.entity} is still there")


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return nothing: what is gone stays gone."""
    return ()


ACTION = Action(
    name="evict_pod",
    summary="Evict a pod, if its owner and its disruption budget allow",
    tier=Tier.ISOLATE,
    permissions=("pods: get", "pods/eviction: create"),
    inverse=Inverse.NONE,
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
