"""What stands in a namespace, before and after: an undo is believed only where the two are equal."""

import json

from activities.action import case_label
from activities.graph.network_policy import End, World, allowed
from activities.ports import (
    DEPLOYMENTS,
    NETWORK_POLICIES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Cluster,
    Manifest,
)
from activities.release import standing
from signals.threats import Peer
from workers.cli.patience import patiently

KINDS = (PODS, NETWORK_POLICIES, SERVICES, SERVICE_ACCOUNTS, DEPLOYMENTS)
SERVER_FIELDS = ("resourceVersion", "generation", "managedFields")
"""Metadata that the API server counts on by itself."""

Picture = dict[str, str]
"""`resource/name` → the object as text, without what only the server writes."""


async def take(cluster: Cluster, namespace: str) -> Picture:
    """Return every object of the namespace that a containment could have touched."""
    picture: Picture = {}
    for kind in KINDS:
        for found in await patiently(lambda kind=kind: cluster.list(kind, namespace)):  # type: ignore[misc]
            picture[f"{kind.plural}/{found['metadata']['name']}"] = _text(found)
    return picture


def _text(manifest: Manifest) -> str:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in SERVER_FIELDS}
    kept = {key: value for key, value in manifest.items() if key != "status"}
    return json.dumps({**kept, "metadata": metadata}, sort_keys=True)


def differences(before: Picture, after: Picture) -> list[str]:
    """Return the objects that are not as they were."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


async def ours(cluster: Cluster, incident: str) -> list[str]:
    """Return what still stands of an incident, anywhere in the cluster."""
    found = await patiently(lambda: standing(cluster))
    return [str(write) for one in found if one.case == case_label(incident) for write in one.writes]


async def reaches(cluster: Cluster, pod: Manifest, peer: Peer) -> bool:
    """Whether the policies let a pod, as it is labelled now, connect to an address outside the cluster."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    live = await patiently(lambda: cluster.get(PODS.ref(name, namespace)))
    policies = await patiently(lambda: cluster.list(NETWORK_POLICIES, namespace))
    outside = End((peer.address,))
    return allowed(World(policies, {}), End.pod(live), outside, (peer.protocol, peer.port or 0))
