"""What of a plan is to be taken back: what stands, less what other pods need, if nobody else was there."""

from collections.abc import Sequence

from activities.graph.network_policy import matches
from activities.phases import every, phases
from activities.ports import PODS, Cluster, Manifest
from activities.standing import Sight, State, look
from signals.plans import ActionPlan, Write, WriteKind


async def own(cluster: Cluster, plan: ActionPlan) -> list[tuple[int, Sight]]:
    """Return what stands of a plan, by phase, less what other pods of its case need."""
    writes = [
        (number, write)
        for number, phase in enumerate(phases(plan.writes))
        for write in phase
        if write.kind is not WriteKind.EVICT
    ]
    sights = await every(look(cluster, write) for _, write in writes)
    mine = {write.ref.uid for write in plan.writes if write.kind is WriteKind.MARK}
    marked = await _marked_pods(cluster, plan.writes)
    others = [pod for pod in marked if pod["metadata"]["uid"] not in mine]
    return [
        (number, sight)
        for (number, _), sight in zip(writes, sights, strict=True)
        if sight.state is not State.GONE and not _needed(sight, others)
    ]


async def _marked_pods(cluster: Cluster, writes: Sequence[Write]) -> list[Manifest]:
    """Return every pod that carries the mark by which a plan's policies select."""
    wanted = {
        (write.ref.namespace, f"{key}={value}")
        for write in writes
        if write.kind is WriteKind.CREATE and write.manifest
        for key, value in _selected(write.manifest).items()
    }
    found = await every(cluster.list(PODS, namespace, labels) for namespace, labels in sorted(wanted))
    return [pod for pods in found for pod in pods]


def _selected(manifest: Manifest) -> dict[str, str]:
    """Return the mark by which a policy of ours selects; what selects nothing serves nobody else."""
    labels: dict[str, str] = (manifest.get("spec", {}).get("podSelector") or {}).get("matchLabels") or {}
    return labels


def _needed(sight: Sight, others: Sequence[Manifest]) -> bool:
    """Return whether another pod of the case still needs what one write did."""
    write, there = sight.write, sight.object
    near = [pod for pod in others if pod["metadata"]["namespace"] == write.ref.namespace]
    if write.kind is WriteKind.CREATE:
        return bool(near) and bool(_selected(write.manifest or {}))
    if write.kind is WriteKind.MARK or there is None:
        return False
    selector = there["spec"].get("podSelector") or {}
    terms = [term for term in selector.get("matchExpressions") or [] if term["key"] != write.key]
    left = {**selector, "matchExpressions": terms}
    return any(matches(left, pod["metadata"].get("labels") or {}) for pod in near)


def drifts(sights: Sequence[tuple[int, Sight]]) -> list[str]:
    """Return what somebody else did to what we wrote, in words."""
    found = [sight.drift for _, sight in sights if sight.drift]
    last = max(phase for phase, sight in sights if sight.state is State.STANDS)
    for phase, sight in sights:
        if sight.state is State.ABSENT and not sight.drift and phase < last:
            what = "was deleted" if sight.write.kind is WriteKind.CREATE else "lost our mark"
            found.append(f"{sight.write.ref} {what}, not by us")
    return found
