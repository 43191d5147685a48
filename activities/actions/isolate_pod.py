"""Cuts every connection of a pod, both ways, with one policy that allows nothing and takes it out of the others.

The mark and the policy are those of the incident, not of one attempt: all pods of a storm share one policy and
one exclusion in each policy that selects them, and the last pod to be released takes them away.
"""

import asyncio
import hashlib

from activities import gitops
from activities.action import Action, CaseRef
from activities.containment import (
    PERMISSIONS,
    RESIDUAL,
    blocked,
    create,
    exclude,
    mark,
    mark_key,
    policy_ref,
)
from activities.graph.carve import close_everything
from activities.graph.network_policy import End
from activities.holding import entered, flow, lost, objects, sights, uncovered
from activities.phases import every
from activities.ports import NETWORK_POLICIES, Cluster
from activities.surroundings import API_PERMISSIONS, api_dependencies
from activities.targets import containable, read_all
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Check, Receipt, Result


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan our policy, the marks and the exclusions, in each namespace that has a target."""
    key = mark_key(hashlib.sha256(f"{case.incident}|{action.type}".encode()).hexdigest())
    namespaces = sorted({target.namespace for target in action.targets if target.namespace})
    read, listed, needed = await asyncio.gather(
        read_all(cluster, action.targets),
        every(cluster.list(NETWORK_POLICIES, namespace) for namespace in namespaces),
        api_dependencies(cluster, namespaces),
    )
    targets = [containable(target) for target in read]
    pods = [target.pod for target in targets if target.pod and not target.obstacle]
    missing = tuple(target.obstacle for target in targets if target.obstacle)
    if not pods:
        return blocked(action, "; ".join(missing))
    creates: list[Write] = []
    marks = [mark(pod, key, case.label) for pod in pods]
    exclusions: list[Write] = []
    for namespace, policies in zip(namespaces, listed, strict=True):
        inside = [pod for pod in pods if pod["metadata"]["namespace"] == namespace]
        if not inside:
            continue
        ref = policy_ref(case, namespace, action.type)
        others = [policy for policy in policies if policy["metadata"]["name"] != ref.name]
        carving = close_everything(uncovered(others, key), [End.pod(pod) for pod in inside])
        why = gitops.obstacle(carving.leave)
        if why:
            return blocked(action, why)
        left = [exclude(policy, key, case.label) for policy in carving.leave]
        near = [write for write in marks if write.ref.namespace == namespace]
        creates.append(create(ref, carving.spec({key: case.label}), case, action, [*near, *left]))
        exclusions += left
    return ActionPlan(
        concerns=tuple(one.why for one in needed if any(map(one.concerns, pods))),
        action=action,
        writes=(*creates, *marks, *exclusions),
        inverse=Inverse.EXACT,
        summary=action.summary,
        residual=(*RESIDUAL, *missing),
    )


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Read everything back, and look for policies that open the pod all the same."""
    checks = [await objects(cluster, receipt.plan)]
    later = [policy for policy, _ in await entered(cluster, receipt.plan)]
    if later:
        names = ", ".join(sorted(policy["metadata"]["name"] for policy in later))
        names += f" ({why})" if (why := gitops.obstacle(later)) else ""
        checks.append(Check(what="object", result=Result.FAILED, how=f"{names} opens the pod again"))
    return *checks, await flow(cluster)


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return what somebody undid, and exclusions from policies that came later."""
    missing = lost(await sights(cluster, receipt.plan), WriteKind.CREATE, WriteKind.MARK)
    later = await entered(cluster, receipt.plan)
    return *missing, *(write for policy, write in later if not gitops.managed_by(policy))


ACTION = Action(
    name="isolate_pod",
    summary="Cut every connection of a pod",
    tier=Tier.ISOLATE,
    permissions=PERMISSIONS,
    surroundings=API_PERMISSIONS,
    inverse=Inverse.EXACT,
    on_expiry=OnExpiry.ASK,
    ttl="isolate_ttl_seconds",
    example=Entity(cluster=ClusterRef(name="local", uid="c"), kind="Pod", namespace="shop", name="web-0"),
    plan=plan,
    verify=verify,
    hold=hold,
)
