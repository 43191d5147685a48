"""Small namespaces, as people make them, on any cluster: a pod under suspicion, a neighbour, and policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from activities.ports import NETWORK_POLICIES, PODS, Cluster, Manifest
from signals.decisions import PlannedAction
from signals.threats import Peer
from tests.activities.acting import action, entity
from tests.activities.worlds import snapshot

OUTSIDE = "203.0.113.7"

POLICIES: dict[str, Sequence[dict[str, Any]]] = {
    "no-policies": [],
    "default-deny": [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}],
    "everything-open": [{"podSelector": {}, "ingress": [{}], "egress": [{}]}],
    "by-label": [
        {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": 80}]}],
        },
        {
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "x"]}]},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 443}]}, {}],
        },
        {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{}]},
    ],
}
LABELS: dict[str, dict[str, str]] = {"default-deny": {}, "everything-open": {}}
"""Labels of the pod where it has none; elsewhere it is `app: web`."""


@dataclass(frozen=True)
class Scene:
    """One namespace with a suspect pod and its neighbour."""

    space: str
    pod: Manifest
    neighbour: Manifest

    def action(self, cluster: Cluster, kind: str, index: int = 0) -> PlannedAction:
        """Return an action on the suspect; a block is of its flow to the outside."""
        peer = Peer(address=OUTSIDE, port=443)
        return action(
            kind, entity(cluster, self.pod), index=index, peer=peer if kind == "block_flow" else None
        )

    def block_neighbour(self, cluster: Cluster, index: int = 0) -> PlannedAction:
        """Return a block of everything that the neighbour sends to the suspect."""
        address = self.neighbour["status"]["podIP"]
        peer = Peer(address=address, direction="Ingress", pod=entity(cluster, self.neighbour))
        return action("block_flow", entity(cluster, self.pod), index=index, peer=peer)

    async def bytes(self, cluster: Cluster) -> list[Manifest]:
        """Return everything in the namespace that an undo must leave as it was."""
        return await snapshot(cluster, [self.space])


async def pod(cluster: Cluster, space: str, name: str, ip: str, labels: dict[str, str]) -> Manifest:
    """Create one pod that runs at an address."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    }
    ref = PODS.ref(name, space)
    made = await cluster.create(ref, manifest)
    status = {**made.get("status", {}), "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
    running = [{"op": "add", "path": "/status", "value": status}]
    return await cluster.patch(ref, running, subresource="status")


async def policy(cluster: Cluster, space: str, name: str, spec: dict[str, Any], **metadata: Any) -> Manifest:
    """Create one policy."""
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }
    return await cluster.create(NETWORK_POLICIES.ref(name, space), manifest)


async def scene(cluster: Cluster, space: str, name: str = "by-label") -> Scene:
    """Fill a namespace with one of the sets of policies, by name."""
    suspect = await pod(cluster, space, "web-0", "10.0.0.5", LABELS.get(name, {"app": "web"}))
    neighbour = await pod(cluster, space, "db-0", "10.0.0.6", {"app": "db"})
    for number, spec in enumerate(POLICIES[name]):
        await policy(cluster, space, f"p{number}", spec)
    return Scene(space, suspect, neighbour)
