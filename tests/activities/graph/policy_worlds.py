"""Random clusters with network policies of every kind, as manifests and as the naive evaluator takes them."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.activities.graph.naive import Pod, World

Peers = Callable[[random.Random], dict[str, Any]]
NAMESPACES = {"n1": {"env": "p"}, "n2": {"env": "q"}, "n3": {}}
OUTSIDE = (
    "0.0.0.0",
    "9.255.255.255",
    "10.0.0.1",
    "10.1.2.3",
    "10.2.0.0",
    "203.0.113.7",
    "203.0.113.8",
    "255.255.255.255",
    "::1",
    "2001:db8::1",
    "2001:db8:1::1",
    "ffff::",
)
PROBES = (
    *(("TCP", number) for number in (1, 79, 80, 85, 90, 91, 8080, 65535)),
    *(("UDP", number) for number in (1, 53, 80)),
    *(("SCTP", number) for number in (7, 8)),
)
BLOCKS: tuple[dict[str, Any], ...] = (
    {"cidr": "0.0.0.0/0"},
    {"cidr": "::/0"},
    {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]},
    {"cidr": "10.1.2.0/24"},
    {"cidr": "203.0.113.7/32"},
    {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]},
    {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "203.0.113.0/24"]},
)


def selector(r: random.Random) -> dict[str, Any]:
    term = {"key": r.choice("abc"), "operator": r.choice(["In", "NotIn"]), "values": r.sample("xyz", 2)}
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


def space_selector(r: random.Random) -> dict[str, Any]:
    name = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [r.choice(list(NAMESPACES))]}
    return r.choice([{}, {"matchLabels": {"env": r.choice("pq")}}, {"matchExpressions": [name]}])


def plain_peer(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"podSelector": selector(r)},
            {"namespaceSelector": space_selector(r)},
            {"namespaceSelector": space_selector(r), "podSelector": selector(r)},
            {"ipBlock": r.choice(BLOCKS)},
        ]
    )


def plain_port(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"port": 80},
            {"protocol": "TCP", "port": 80, "endPort": 90},
            {"protocol": "UDP"},
            {"protocol": "SCTP", "port": 7},
            {"port": "http"},
            {"port": "dns", "protocol": "UDP"},
        ]
    )


def some(r: random.Random, make: Any, share: float, key: str, fewest: int = 1) -> dict[str, Any]:
    return {key: [make(r) for _ in range(r.randrange(fewest, 3))]} if r.random() < share else {}


def plain_policy(r: random.Random, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": selector(r)}
    for way, key in (("ingress", "from"), ("egress", "to")):
        if r.random() < 0.7:
            spec[way] = [
                {**some(r, plain_peer, 0.8, key), **some(r, plain_port, 0.6, "ports")}
                for _ in range(r.randrange(3))
            ]
    if r.random() < 0.7:
        spec["policyTypes"] = r.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": r.choice(list(NAMESPACES))},
        "spec": spec,
    }


def cluster_peer(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"namespaces": space_selector(r)},
            {"pods": {"namespaceSelector": space_selector(r), "podSelector": selector(r)}},
        ]
    )


def egress_peer(r: random.Random) -> dict[str, Any]:
    return {"networks": [r.choice(BLOCKS)["cidr"]]} if r.random() < 0.3 else cluster_peer(r)


def unsure_peer(r: random.Random) -> dict[str, Any]:
    return {"nodes": {}} if r.random() < 0.4 else egress_peer(r)


def admin_port(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"portNumber": {"protocol": "TCP", "port": 80}},
            {"portRange": {"protocol": "TCP", "start": 80, "end": 90}},
            {"portRange": {"protocol": "UDP", "start": 1, "end": 60}},
            {"namedPort": "http"},
        ]
    )


def cluster_protocol(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"tcp": {"destinationPort": {"number": 80}}},
            {"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}},
            {"udp": {"destinationPort": {"number": 53}}},
            {"sctp": {}},
            {"destinationNamedPort": "dns"},
        ]
    )


def cluster_policy(
    r: random.Random, name: str, priority: int, leaving: Peers = egress_peer
) -> dict[str, Any]:
    kind = r.choice(["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"])
    newer = kind == "ClusterNetworkPolicy"
    actions = ["Accept" if newer else "Allow", "Deny", *([] if kind.startswith("Baseline") else ["Pass"])]
    port, ports = (cluster_protocol, "protocols") if newer else (admin_port, "ports")
    spec: dict[str, Any] = {"subject": cluster_peer(r), "priority": priority}
    if newer:
        spec["tier"] = r.choice(["Admin", "Baseline"])
    for way, key, peer in (("ingress", "from", cluster_peer), ("egress", "to", leaving)):
        spec[way] = [
            {"action": r.choice(actions), **some(r, peer, 1, key), **some(r, port, 0.6, ports)}
            for _ in range(r.randrange(4))
        ]
    version = "v1alpha2" if newer else "v1alpha1"
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def random_pod(r: random.Random, number: int) -> Pod:
    ports = {
        name: (protocol, r.choice(numbers))
        for name, protocol, numbers in (("http", "TCP", (80, 8080)), ("dns", "UDP", (53, 80)))
        if r.random() < 0.6
    }
    labels = {key: r.choice("xyz") for key in "abc" if r.random() < 0.7}
    address = r.choice([f"10.1.2.1{number}", f"10.9.0.{number}", f"2001:db8:5::{number}"])
    return Pod(f"p{number}", r.choice(["n1", "n2"]), labels, ports, address, r.random() < 0.2)


def random_world(seed: int, *, cluster_wide: bool, hosts_are_nodes: bool = False) -> World:
    """Return six pods in two namespaces of three, and up to four policies of each kind that is wanted."""
    r = random.Random(seed)
    pods = {pod.name: pod for pod in (random_pod(r, number) for number in range(6))}
    policies = [plain_policy(r, f"plain-{n}") for n in range(r.randrange(5))]
    if cluster_wide:
        priorities = r.sample(range(1000), 4)
        policies += [cluster_policy(r, f"wide-{n}", priorities[n]) for n in range(r.randrange(1, 5))]
    names = {name: {**labels, "kubernetes.io/metadata.name": name} for name, labels in NAMESPACES.items()}
    return World(pods, names, policies, hosts_are_nodes)


def unsure_world(seed: int) -> World:
    """Return a world of which not everything can be known: nodes are peers, and priorities are equal."""
    r = random.Random(seed)
    world = random_world(seed, cluster_wide=False)
    unsure = [cluster_policy(r, f"unsure-{n}", r.randrange(2), unsure_peer) for n in range(3)]
    return replace(world, policies=[*world.policies, *unsure])


def manifests(world: World) -> list[dict[str, Any]]:
    """Return the pods and policies of a world as objects."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "labels": pod.labels},
            "spec": {
                "hostNetwork": pod.host,
                "containers": [
                    {
                        "name": "main",
                        "ports": [
                            {"name": name, "protocol": protocol, "containerPort": number}
                            for name, (protocol, number) in pod.ports.items()
                        ],
                    }
                ],
            },
            "status": {"podIP": pod.address, "podIPs": [{"ip": pod.address}]},
        }
        for pod in world.pods.values()
    ]
    return [*pods, *world.policies]
