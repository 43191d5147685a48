"""The pods that an action is about: the very ones, by UID, and whether a policy can hold them at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.phases import every
from activities.ports import PODS, Cluster, Manifest
from signals.entities import Entity
from signals.errors import NotFound

CROWD = 5
"""More targets than this are listed rather than read one by one."""


@dataclass(frozen=True)
class Target:
    """One pod; `obstacle` says why it cannot be acted on, and is empty otherwise."""

    entity: Entity
    pod: Manifest | None
    obstacle: str = ""


async def read(cluster: Cluster, entity: Entity) -> Target:
    """Return one pod, if it is still the one that was meant.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    if entity.kind != "Pod":
        return told(entity, None)
    try:
        pod = await cluster.get(PODS.ref(entity.name, entity.namespace))
    except NotFound:
        return told(entity, None)
    return told(entity, pod)


def told(entity: Entity, pod: Manifest | None) -> Target:
    """Return whether what lives under a name is what was meant."""
    if entity.kind != "Pod" or not entity.uid:
        return Target(entity, None, f"{entity} is not known by its UID")
    if pod is None:
        return Target(entity, None, f"{entity} is gone")
    if pod["metadata"]["uid"] != entity.uid:
        return Target(entity, None, f"{entity} is another pod now, of the same name")
    return Target(entity, pod)


async def read_all(cluster: Cluster, entities: Sequence[Entity]) -> list[Target]:
    """Return all pods that are meant, read at once; of a crowd, by listing their namespaces.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    if len(entities) <= CROWD:
        return await every(read(cluster, entity) for entity in entities)
    namespaces = sorted({entity.namespace for entity in entities if entity.namespace})
    listed = await every(cluster.list(PODS, namespace) for namespace in namespaces)
    live = {(pod["metadata"]["namespace"], pod["metadata"]["name"]): pod for pods in listed for pod in pods}
    return [told(entity, live.get((entity.namespace or "", entity.name))) for entity in entities]


def containable(target: Target) -> Target:
    """Add why no policy can hold a pod: those on the node's own network are outside of every policy."""
    if target.pod and target.pod["spec"].get("hostNetwork"):
        return Target(target.entity, target.pod, f"{target.entity} is not containable by policy: hostNetwork")
    if target.pod and (target.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Target(target.entity, target.pod, f"{target.entity} has ended")
    return target
