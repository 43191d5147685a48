"""Random small clusters: pods, policies of every shape, addresses outside; and which connections are open."""

import copy
import itertools
import random
from collections.abc import Sequence
from typing import Any

from activities.adapters.memory import MemoryCluster
from activities.graph.network_policy import DIRECTIONS, End, World, allowed, selecting
from activities.ports import FREEZES, NAMESPACES, NETWORK_POLICIES, PODS, ROLE_BINDINGS, Manifest
from signals.subjects import CASE

NAMESPACE_LABELS = {"n1": {"env": "p"}, "n2": {"env": "q"}}
OUTSIDE = ("203.0.113.7", "203.0.113.8", "198.51.100.1", "2001:db8::1")
PROBES = [
    *(("TCP", number) for number in (79, 80, 81, 90, 91, 443, 8080)),
    *(("UDP", number) for number in (1, 80)),
    ("SCTP", 65535),
]


def selector(r: random.Random) -> dict[str, Any]:
    term = {"key": r.choice("abc"), "operator": r.choice(["In", "NotIn"]), "values": [r.choice("xy")]}
    presence = {"key": r.choice("abc"), "operator": r.choice(["Exists", "DoesNotExist"])}
    labels = {r.choice("abc"): r.choice("xy")}
    return r.choice(
        [
            {},
            {"matchLabels": labels},
            {"matchExpressions": [presence]},
            {"matchExpressions": [term]},
            {"matchLabels": labels, "matchExpressions": [term, presence]},
        ]
    )


def peer(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"podSelector": selector(r)},
            {"namespaceSelector": r.choice([{}, {"matchLabels": {"env": r.choice("pq")}}])},
            {"namespaceSelector": {}, "podSelector": selector(r)},
            {"ipBlock": {"cidr": "0.0.0.0/0"}},
            {"ipBlock": {"cidr": "::/0"}},
            {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/32"]}},
            {"ipBlock": {"cidr": "203.0.113.7/32"}},
            {"ipBlock": {"cidr": "10.0.0.0/24"}},
        ]
    )


def port(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"protocol": "TCP", "port": 80},
            {"protocol": "TCP", "port": 80, "endPort": 90},
            {"protocol": "UDP"},
            {"port": 443, "protocol": "TCP"},
            {"port": "http", "protocol": "TCP"},
        ]
    )


def policy(r: random.Random, name: str) -> Manifest:
    spec: dict[str, Any] = {"podSelector": selector(r), "policyTypes": []}
    for direction, field, key in r.choice(
        [
            [("Ingress", "ingress", "from")],
            [("Egress", "egress", "to")],
            [("Ingress", "ingress", "from"), ("Egress", "egress", "to")],
        ]
    ):
        spec["policyTypes"].append(direction)
        spec[field] = [
            {
                **({key: [peer(r) for _ in range(r.randrange(1, 3))]} if r.random() < 0.8 else {}),
                **({"ports": [port(r) for _ in range(r.randrange(1, 3))]} if r.random() < 0.6 else {}),
            }
            for _ in range(r.randrange(0, 3))
        ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": r.choice(["n1", "n2"])},
        "spec": spec,
    }


def pod(r: random.Random, name: str, address: str) -> Manifest:
    named = [{"name": "http", "containerPort": r.choice([80, 8080])}] if r.random() < 0.6 else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": r.choice(["n1", "n2"]),
            "labels": {key: r.choice("xy") for key in "abc" if r.random() < 0.7},
        },
        "spec": {"containers": [{"name": "main", "image": "app:1", "ports": named}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


async def random_world(seed: int) -> tuple[MemoryCluster, random.Random]:
    """Return a cluster of six pods and up to four policies, and what to go on choosing with."""
    r = random.Random(seed)
    cluster = MemoryCluster()

    for name, labels in NAMESPACE_LABELS.items():
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        await cluster.create(NAMESPACES.ref(name), manifest)
    for number in range(2, 8):
        made = pod(r, f"pod-{number}", f"10.0.0.{number}")
        await cluster.create(PODS.ref(f"pod-{number}", made["metadata"]["namespace"]), made)
    for number in range(r.randrange(0, 5)):
        made = policy(r, f"p{number}")
        await cluster.create(NETWORK_POLICIES.ref(f"p{number}", made["metadata"]["namespace"]), made)
    return cluster, r


async def ends(cluster: MemoryCluster) -> dict[str, End]:
    """Return everything that can talk, by name."""
    pods = await cluster.list(PODS)
    return {pod["metadata"]["name"]: End.pod(pod) for pod in pods} | {
        address: End((address,)) for address in OUTSIDE
    }


Connection = tuple[str, str, str, int]


async def connections(cluster: MemoryCluster) -> dict[Connection, bool]:
    """Return every connection that has a pod at one end, and whether policies allow it."""
    namespaces = {n["metadata"]["name"]: n["metadata"]["labels"] for n in await cluster.list(NAMESPACES)}
    world = World(await cluster.list(NETWORK_POLICIES), namespaces)
    everybody = await ends(cluster)
    of = {
        name: [p for d in DIRECTIONS for p in selecting(world.policies, end, d)] if end.namespace else []
        for name, end in everybody.items()
    }
    found: dict[Connection, bool] = {}
    for (source, a), (destination, b) in itertools.permutations(everybody.items(), 2):
        between = World([*of[source], *of[destination]], namespaces)
        if a.namespace or b.namespace:
            found |= {(source, destination, *probe): allowed(between, a, b, probe) for probe in PROBES}
    return found


async def frozen(cluster: Any, namespace: str) -> list[Manifest]:
    """Return the freezes of a namespace's pods."""
    return [one for one in await cluster.list(FREEZES) if one["spec"]["namespace"] == namespace]


async def snapshot(cluster: Any, namespaces: Sequence[str] = ("n1", "n2")) -> list[Manifest]:
    """Return all pods, policies and freezes without what only the server writes."""
    found: list[Manifest] = []
    for namespace in namespaces:
        for resource in (PODS, NETWORK_POLICIES):
            found += await cluster.list(resource, namespace)
        found += await cluster.list(ROLE_BINDINGS, namespace, labels=CASE)
        found += await frozen(cluster, namespace)
    return [plain(manifest) for manifest in found]


def plain(manifest: Manifest) -> Manifest:
    """Return an object without what the server counts: versions, generations, who wrote what."""
    result = copy.deepcopy(manifest)
    for field in ("resourceVersion", "generation", "managedFields"):
        result["metadata"].pop(field, None)
    return result
