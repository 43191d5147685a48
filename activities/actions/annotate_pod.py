"""Marks a pod as quarantined, for people and for other tools; changes nothing else."""

import json

from activities.action import Action, CaseRef
from activities.containment import blocked, mark_key
from activities.holding import lost, objects, sights
from activities.ports import PODS, Cluster
from activities.standing import moment
from activities.targets import read_all
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Check, Receipt
from signals.subjects import CASE, EXPIRES_AT


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan one mark on each pod: a label to select by, and an annotation that tells all."""
    targets = await read_all(cluster, action.targets)
    pods = [target.pod for target in targets if target.pod]
    missing = tuple(target.obstacle for target in targets if target.obstacle)
    if not pods:
        return blocked(action, "; ".join(missing))
    key = mark_key(action.id)
    story = {
        "action": action.type,
        "id": action.id,
        "case": case.incident,
        "tier": case.tier,
        "reason": case.reason or action.summary,
        EXPIRES_AT: moment(case.expires_at),
        "on-expiry": action.on_expiry,
        "index": action.index,
    }
    writes = [
        Write(
            kind=WriteKind.MARK,
            ref=PODS.ref(pod["metadata"]["name"], pod["metadata"]["namespace"], pod["metadata"]["uid"]),
            labels={key: case.label}
            | ({} if CASE in pod["metadata"].get("labels", {}) else {CASE: case.label}),
            annotations={key: json.dumps(story, separators=(",", ":"), sort_keys=True)},
        )
        for pod in pods
    ]
    return ActionPlan(
        action=action, writes=tuple(writes), inverse=Inverse.EXACT, summary=action.summary, residual=missing
    )


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Read the marks back."""
    return (await objects(cluster, receipt.plan),)


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return the marks that somebody removed."""
    return lost(await sights(cluster, receipt.plan), WriteKind.MARK)


ACTION = Action(
    name="annotate_pod",
    summary="Mark a pod as quarantined",
    tier=Tier.RESTRICT,
    permissions=("pods: get, patch",),
    inverse=Inverse.EXACT,
    on_expiry=OnExpiry.RELEASE,
    ttl="restrict_ttl_seconds",
    example=Entity(cluster=ClusterRef(name="local", uid="c"), kind="Pod", namespace="shop", name="web-0"),
    plan=plan,
    verify=verify,
    hold=hold,
)
