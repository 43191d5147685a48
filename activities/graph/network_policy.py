"""What networking.k8s.io/v1 means, without a cluster: which policies select a pod, which connections are open.

Policies only add up: a pod is allowed the union of all that select it, and everything where none does. A
connection needs egress of its source and ingress of its destination. Own nodes and localhost are outside of
this, as they are outside of every enforcer.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from activities.graph.selectors import matches as matches

Direction = Literal["Ingress", "Egress"]
DIRECTIONS: tuple[Direction, Direction] = ("Ingress", "Egress")
RULES: Mapping[Direction, str] = {"Ingress": "ingress", "Egress": "egress"}
PEERS: Mapping[Direction, str] = {"Ingress": "from", "Egress": "to"}
PROTOCOLS = ("TCP", "UDP", "SCTP")

Object = Mapping[str, Any]
Port = tuple[str, int]
"""Protocol and number."""


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside of the cluster (`namespace` is None)."""

    addresses: tuple[str, ...]
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(name, protocol) → number, from the pod's containers."""

    @classmethod
    def pod(cls, manifest: Object) -> "End":
        """Return a pod as one end of a connection."""
        status, spec = manifest.get("status") or {}, manifest.get("spec") or {}
        addresses = [entry["ip"] for entry in status.get("podIPs") or []]
        addresses = addresses or [status["podIP"]] if status.get("podIP") else addresses
        serving = [*(spec.get("containers") or [])]
        serving += [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
        named = {
            (port["name"], port.get("protocol", "TCP")): port["containerPort"]
            for container in serving
            for port in container.get("ports") or []
            if port.get("name")
        }
        metadata = manifest["metadata"]
        return cls(tuple(addresses), metadata["namespace"], metadata.get("labels") or {}, named)


@dataclass(frozen=True)
class World:
    """All that decides about connections: policies, and the labels of the namespaces."""

    policies: Sequence[Object]
    namespaces: Mapping[str, Mapping[str, str]]


def directions(policy: Object) -> tuple[Direction, ...]:
    """Return the directions that a policy speaks about; unset means Ingress, and Egress if it has such rules."""
    spec = policy["spec"]
    named = spec.get("policyTypes")
    if named:
        return tuple(direction for direction in DIRECTIONS if direction in named)
    return DIRECTIONS if spec.get("egress") else ("Ingress",)


def selecting(policies: Iterable[Object], pod: End, direction: Direction) -> list[Object]:
    """Return the policies that select a pod in one direction."""
    return [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace
        and direction in directions(policy)
        and matches(policy["spec"].get("podSelector") or {}, pod.labels)
    ]


def in_block(block: Object, address: str) -> bool:
    """Return whether an ipBlock holds an address."""
    ip = _address(address)
    inside = ip in _network(block["cidr"])
    return inside and not any(ip in _network(hole) for hole in block.get("except") or [])


@lru_cache(maxsize=65536)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


@lru_cache(maxsize=65536)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def meets_peer(world: World, namespace: str, peer: Object, end: End) -> bool:
    """Return whether one peer of a rule, in a policy of `namespace`, means this end."""
    if "ipBlock" in peer:
        return any(in_block(peer["ipBlock"], address) for address in end.addresses)
    if end.namespace is None:
        return False
    if peer.get("namespaceSelector") is None:
        return end.namespace == namespace and matches(peer.get("podSelector"), end.labels)
    there = world.namespaces.get(end.namespace, {})
    return matches(peer["namespaceSelector"], there) and matches(peer.get("podSelector") or {}, end.labels)


def meets_port(entry: Object, destination: End, port: Port) -> bool:
    """Return whether one port entry of a rule means this port of the destination."""
    protocol, number = port
    if entry.get("protocol", "TCP") != protocol:
        return False
    first = entry.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return destination.named_ports.get((first, protocol)) == number
    return bool(first <= number <= entry.get("endPort", first))


def _rule_allows(
    world: World, namespace: str, rule: Object, direction: Direction, ends: tuple[End, End], port: Port
) -> bool:
    pod, other = ends
    peers, ports = rule.get(PEERS[direction]) or [], rule.get("ports") or []
    destination = other if direction == "Egress" else pod
    return (not peers or any(meets_peer(world, namespace, peer, other) for peer in peers)) and (
        not ports or any(meets_port(entry, destination, port) for entry in ports)
    )


def side_allows(world: World, pod: End, direction: Direction, other: End, port: Port) -> bool:
    """Return whether the policies of one pod allow a connection in one direction."""
    chosen = selecting(world.policies, pod, direction)
    return not chosen or any(
        _rule_allows(world, policy["metadata"]["namespace"], rule, direction, (pod, other), port)
        for policy in chosen
        for rule in policy["spec"].get(RULES[direction]) or []
    )


def allowed(world: World, source: End, destination: End, port: Port) -> bool:
    """Return whether a connection is open, as far as policies decide."""
    leaves = source.namespace is None or side_allows(world, source, "Egress", destination, port)
    return leaves and (
        destination.namespace is None or side_allows(world, destination, "Ingress", source, port)
    )
