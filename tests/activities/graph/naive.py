"""What network policies mean, said a second time as slowly and literally as possible: one connection at a time.

It shares nothing with the engine. Where it differs, one of the two is wrong.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pod:
    """A pod as its policies see it."""

    name: str
    namespace: str
    labels: dict[str, str]
    ports: dict[str, tuple[str, int]] = field(default_factory=dict)
    address: str | None = None
    host: bool = False


def chosen(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for term in selector.get("matchExpressions", []):
        there, operator = labels.get(term["key"]), term["operator"]
        good = {
            "In": there is not None and there in term.get("values", []),
            "NotIn": there is None or there not in term.get("values", []),
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }[operator]
        if not good:
            return False
    return True


@dataclass(frozen=True)
class World:
    """Some pods, the labels of all namespaces, and policies as manifests."""

    pods: dict[str, Pod]
    namespaces: dict[str, dict[str, str]]
    policies: list[dict[str, Any]]
    hosts_are_nodes: bool = False
    nodes: frozenset[str] = frozenset()
    """Addresses, and names of pods on their node's network, that are taken for nodes."""

    def allowed(self, source: Pod | str, destination: Pod | str, protocol: str, port: int) -> bool:
        """Whether a connection is open between pods, or a pod and an address outside."""
        out = isinstance(source, str) or self._side(
            source, "egress", destination, destination, protocol, port
        )
        into = isinstance(destination, str) or self._side(
            destination, "ingress", source, destination, protocol, port
        )
        return out and into

    def _side(
        self, pod: Pod, way: str, other: Pod | str, destination: Pod | str, protocol: str, port: int
    ) -> bool:
        what = (pod, way, other, destination, protocol, port)
        for decide in (self._admin("Admin", *what), self._plain(*what), self._admin("Baseline", *what)):
            if decide is not None:
                return decide
        return True

    def _plain(
        self, pod: Pod, way: str, other: Pod | str, destination: Pod | str, protocol: str, port: int
    ) -> bool | None:
        selected = False
        if pod.host and self.hosts_are_nodes:
            return None
        for policy in self.policies:
            if policy["kind"] != "NetworkPolicy" or policy["metadata"]["namespace"] != pod.namespace:
                continue
            spec = policy["spec"]
            types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
            if way.capitalize() not in types or not chosen(spec["podSelector"], pod.labels):
                continue
            selected = True
            for rule in spec.get(way) or []:
                peers = rule.get("from" if way == "ingress" else "to")
                if peers and not any(self._peer(pod.namespace, peer, other) for peer in peers):
                    continue
                ports = rule.get("ports")
                if not ports or any(plain_port(entry, destination, protocol, port) for entry in ports):
                    return True
        return False if selected else None

    def _peer(self, namespace: str, peer: dict[str, Any], other: Pod | str) -> bool:
        if "ipBlock" in peer:
            if isinstance(other, Pod):
                return other.host and self.hosts_are_nodes and inside(peer["ipBlock"], str(other.address))
            return inside(peer["ipBlock"], other)
        if isinstance(other, str) or (other.host and self.hosts_are_nodes):
            return False
        if "namespaceSelector" in peer:
            if not chosen(peer["namespaceSelector"], self.namespaces[other.namespace]):
                return False
        elif other.namespace != namespace:
            return False
        return chosen(peer.get("podSelector", {}), other.labels)

    def _admin(
        self,
        tier: str,
        pod: Pod,
        way: str,
        other: Pod | str,
        destination: Pod | str,
        protocol: str,
        port: int,
    ) -> bool | None:
        policies = [policy for policy in self.policies if tier_of(policy) == tier]
        for policy in sorted(policies, key=lambda policy: policy["spec"].get("priority", 9999)):
            spec = policy["spec"]
            if not self._picked(spec["subject"], pod):
                continue
            for rule in spec.get(way, []):
                peers = rule["from" if way == "ingress" else "to"]
                if not any(self._picked(peer, other) for peer in peers):
                    continue
                entries = rule.get("ports", []) + rule.get("protocols", [])
                if entries and not any(admin_port(entry, destination, protocol, port) for entry in entries):
                    continue
                if rule["action"] == "Pass":
                    return None
                return bool(rule["action"] in ("Allow", "Accept"))
        return None

    def _picked(self, peer: dict[str, Any], other: Pod | str) -> bool:
        if "networks" in peer:
            address = other if isinstance(other, str) else str(other.address)
            return any(inside({"cidr": cidr}, address) for cidr in peer["networks"])
        if "nodes" in peer:
            return (other if isinstance(other, str) else other.name) in self.nodes
        if isinstance(other, str) or other.host:
            return False
        if "namespaces" in peer:
            return chosen(peer["namespaces"], self.namespaces[other.namespace])
        pods = peer["pods"]
        here = chosen(pods.get("namespaceSelector", {}), self.namespaces[other.namespace])
        return here and chosen(pods["podSelector"], other.labels)


def tier_of(policy: dict[str, Any]) -> str:
    kinds = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}
    return str(policy["spec"].get("tier") or kinds.get(policy["kind"], ""))


def inside(block: dict[str, Any], address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip in ipaddress.ip_network(block["cidr"]) and not any(
        ip in ipaddress.ip_network(hole) for hole in block.get("except", [])
    )


def plain_port(entry: dict[str, Any], destination: Pod | str, protocol: str, port: int) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    if "port" not in entry:
        return True
    if isinstance(entry["port"], str):
        return isinstance(destination, Pod) and destination.ports.get(entry["port"]) == (protocol, port)
    return bool(entry["port"] <= port <= entry.get("endPort", entry["port"]))


def admin_port(entry: dict[str, Any], destination: Pod | str, protocol: str, port: int) -> bool:
    name = entry.get("namedPort") or entry.get("destinationNamedPort")
    if name:
        return isinstance(destination, Pod) and destination.ports.get(name) == (protocol, port)
    if "portNumber" in entry:
        one = entry["portNumber"]
        return (one["protocol"], one["port"]) == (protocol, port)
    if "portRange" in entry:
        one = entry["portRange"]
        return one["protocol"] == protocol and bool(one["start"] <= port <= one["end"])
    if protocol.lower() not in entry:
        return False
    wanted = entry[protocol.lower()].get("destinationPort")
    if wanted is None:
        return True
    span = wanted.get("range") or {"start": wanted["number"], "end": wanted["number"]}
    return bool(span["start"] <= port <= span["end"])
