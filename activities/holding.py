"""Whether a containment still holds: what was written stands, and nothing that came later opens the pod again."""

from collections.abc import Mapping, Sequence
from typing import Any

from activities.containment import exclude
from activities.graph.carve import close_everything
from activities.graph.network_policy import End, matches
from activities.phases import every
from activities.ports import DAEMON_SETS, NETWORK_POLICIES, Cluster, Manifest
from activities.standing import Sight, State, look, without_ours
from signals.errors import NotFound, Refused
from signals.plans import ActionPlan, ObjectRef, Write, WriteKind
from signals.receipts import Check, Result
from signals.subjects import MARK_PREFIX

ENFORCERS = (
    "calico",
    "canal",
    "cilium",
    "antrea",
    "kube-router",
    "weave",
    "ovnkube",
    "kube-network-policies",
)
"""Beginnings of names of DaemonSets in kube-system that enforce NetworkPolicies."""


async def sights(cluster: Cluster, plan: ActionPlan) -> list[Sight]:
    """Return what stands of a plan.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    return await every(look(cluster, write) for write in plan.writes)


def lost(seen: Sequence[Sight], *kinds: WriteKind) -> tuple[Write, ...]:
    """Return the writes of these kinds that somebody undid."""
    return tuple(
        sight.write
        for sight in seen
        if sight.write.kind in kinds and sight.state is State.ABSENT and not sight.drift
    )


async def held_pods(cluster: Cluster, plan: ActionPlan) -> list[Manifest]:
    """Return the pods that a plan contains and that still live, marked, whether or not they have lost a mark.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    marks: dict[ObjectRef, dict[str, str]] = {}
    for write in plan.writes:
        if any(key.startswith(MARK_PREFIX) for key in write.labels):
            marks[write.ref] = {**marks.get(write.ref, {}), **write.labels}

    async def one(ref: ObjectRef) -> Manifest | None:
        try:
            pod = await cluster.get(ref)
        except NotFound:
            return None
        if pod["metadata"]["uid"] != ref.uid:
            return None
        labels = {**(pod["metadata"].get("labels") or {}), **marks[ref]}
        return {**pod, "metadata": {**pod["metadata"], "labels": labels}}

    return [pod for pod in await every(one(ref) for ref in marks) if pod is not None]


def uncovered(policies: Sequence[Manifest], key: str) -> list[Manifest]:
    """Return policies as they are for pods that nobody but the holder of one mark keeps out of them.

    What another case keeps out today it lets in again when it is undone, and that may be first.
    """
    return [{**policy, "spec": without_ours(policy["spec"], key)} for policy in policies]


async def entered(cluster: Cluster, plan: ActionPlan) -> list[tuple[Mapping[str, Any], Write]]:
    """Return the policies that open an isolated pod again, because they came or changed later, and exclusions.

    A pod that our policy no longer selects was taken over by a later action, which answers for it.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    pods = await held_pods(cluster, plan)
    found: list[tuple[Mapping[str, Any], Write]] = []
    for made in plan.writes:
        if made.kind is not WriteKind.CREATE or made.manifest is None:
            continue
        policies = await cluster.list(NETWORK_POLICIES, made.ref.namespace)
        ours = next((p for p in policies if p["metadata"]["name"] == made.ref.name), made.manifest)
        ends = [
            End.pod(pod)
            for pod in pods
            if pod["metadata"]["namespace"] == made.ref.namespace
            and matches(ours["spec"]["podSelector"], pod["metadata"]["labels"])
        ]
        others = [policy for policy in policies if policy["metadata"]["name"] != made.ref.name]
        for key, value in made.manifest["spec"]["podSelector"]["matchLabels"].items():
            leave = close_everything(uncovered(others, key), ends).leave
            found += [(policy, exclude(policy, key, value)) for policy in leave]
    return found


async def objects(cluster: Cluster, plan: ActionPlan) -> Check:
    """Check that everything that was written stands as it was written.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    seen = await sights(cluster, plan)
    wrong = [sight.drift for sight in seen if sight.drift]
    wrong += [f"{write.ref} lost what we wrote" for write in lost(seen, *WriteKind)]
    if wrong:
        return Check(what="object", result=Result.FAILED, how="; ".join(wrong))
    gone = sum(sight.state is State.GONE for sight in seen)
    left = f", {gone} changed objects are gone" if gone else ""
    noun = "write" if len(seen) == 1 else "writes"
    return Check(what="object", result=Result.PASSED, how=f"read back {len(seen)} {noun}{left}")


async def flow(cluster: Cluster) -> Check:
    """Say that nobody measured whether traffic stopped, and who would have to stop it.

    Raises:
        Unavailable: the API server did not say.
    """
    try:
        names = [item["metadata"]["name"] for item in await cluster.list(DAEMON_SETS, "kube-system")]
    except Refused:
        names = []
    enforcer = next((name for name in names if name.startswith(ENFORCERS)), None)
    how = f"{enforcer} enforces policies here; no traffic was measured" if enforcer else ""
    return Check(what="flow", result=Result.UNKNOWN, how=how or "nothing enforces policies here")
