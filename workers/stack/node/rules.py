"""NetworkPolicies as nftables: a pure function from objects to the text of one transaction.

Packets are judged by what conntrack recorded of their flow: the original source, and the source of the reply,
which is the destination after a Service's address was replaced. So replies need no rules of their own, and what
is denied now stops flows that are open. IPv4 only, as the node is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Enforcement = Literal["cut", "keep", "none"]
"""`cut`: open connections are judged too, as Cilium does. `keep`: only new ones are, as Calico and kube-router do.
`none`: policies are objects that nobody enforces."""
Object = Mapping[str, Any]
TABLE = "firebreak_policies"
SOURCE, TARGET, TARGET_PORT = "ct original ip saddr", "ct reply ip saddr", "ct reply proto-src"
ANY_PORT: Object = {}
OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Pod:
    """What of a pod decides about its packets."""

    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Container port by name and protocol."""


def pods_of(objects: Iterable[Object]) -> tuple[Pod, ...]:
    """Return the pods that have an address of their own."""
    return tuple(sorted(filter(None, map(_pod, objects)), key=lambda pod: pod.address))


def _pod(pod: Object) -> Pod | None:
    spec, status = pod["spec"], pod.get("status") or {}
    if spec.get("hostNetwork") or not status.get("podIP") or status.get("phase") in OVER:
        return None
    named = {
        (port["name"], port.get("protocol", "TCP")): port["containerPort"]
        for container in spec["containers"]
        for port in container.get("ports") or ()
        if port.get("name")
    }
    metadata = pod["metadata"]
    return Pod(metadata["namespace"], metadata.get("labels") or {}, status["podIP"], named)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector selects; an empty one selects everything.

    Not the reachability engine's own: its answers are compared with the packets that this lets through.
    """
    wanted = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    among = key in labels and labels[key] in (expression.get("values") or ())
    return among if operator == "In" else operator == "NotIn" and not among


def compiled(
    pods: Sequence[Pod],
    namespaces: Mapping[str, Mapping[str, str]],
    policies: Iterable[Object],
    enforcement: Enforcement,
) -> str:
    """Return the whole table as one transaction for `nft -f -`. `namespaces` are labels by name."""
    chains: dict[tuple[str, str], list[str]] = {}
    world = _World(pods, namespaces)
    for policy in policies:
        for direction in _directions(policy["spec"]):
            for pod in world.selected(policy):
                rules = chains.setdefault((direction, pod.address), [])
                rules += world.allowed(policy, direction, pod)
    return "\n".join(_table(chains, enforcement)) + "\n"


def _directions(spec: Object) -> Sequence[str]:
    types: Sequence[str] = spec.get("policyTypes") or ("Ingress", *(("Egress",) if "egress" in spec else ()))
    return types


@dataclass(frozen=True)
class _World:
    pods: Sequence[Pod]
    namespaces: Mapping[str, Mapping[str, str]]

    def selected(self, policy: Object) -> list[Pod]:
        namespace, selector = policy["metadata"]["namespace"], policy["spec"].get("podSelector") or {}
        return [pod for pod in self.pods if pod.namespace == namespace and selects(selector, pod.labels)]

    def allowed(self, policy: Object, direction: str, me: Pod) -> list[str]:
        """Return the rules that let through what one policy allows a pod in one direction."""
        side = "from" if direction == "Ingress" else "to"
        rules = []
        for rule in policy["spec"].get(direction.lower()) or ():
            for peer in rule.get(side) or (None,):
                for port in rule.get("ports") or (ANY_PORT,):
                    rules += self._rules(direction, me, policy["metadata"]["namespace"], peer, port)
        return rules

    def _rules(self, direction: str, me: Pod, namespace: str, peer: Object | None, port: Object) -> list[str]:
        protocol = f"meta l4proto {port['protocol'].lower()} " if port.get("protocol") else ""
        if not protocol and "port" in port:
            protocol = "meta l4proto tcp "
        number = port.get("port")
        where = SOURCE if direction == "Ingress" else TARGET
        if not isinstance(number, str):
            matched = self._peers(where, peer, namespace)
            return [f"{match}{protocol}{_numbers(port)}return" for match in matched]
        named = (number, port.get("protocol", "TCP"))
        if direction == "Ingress":
            own = me.ports.get(named)
            if own is None:
                return []
            return [f"{m}{protocol}{TARGET_PORT} {own} return" for m in self._peers(where, peer, namespace)]
        return [
            f"{TARGET} {pod.address} {protocol}{TARGET_PORT} {pod.ports[named]} return"
            for pod in self.pods
            if named in pod.ports and self._is_peer(pod, peer, namespace)
        ]

    def _peers(self, where: str, peer: Object | None, namespace: str) -> list[str]:
        """Return matches for the other end; none if it can be nobody."""
        if peer is None:
            return [""]
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            if ":" in block["cidr"]:
                return []
            but = ", ".join(block.get("except") or ())
            return [f"{where} {block['cidr']} " + (f"{where} != {{ {but} }} " if but else "")]
        addresses = [pod.address for pod in self.pods if self._is_peer(pod, peer, namespace)]
        return [f"{where} {{ {', '.join(addresses)} }} "] if addresses else []

    def _is_peer(self, pod: Pod, peer: Object | None, namespace: str) -> bool:
        if peer is None:
            return True
        if "ipBlock" in peer:
            address, block = ip_address(pod.address), peer["ipBlock"]
            return address in ip_network(block["cidr"]) and not any(
                address in ip_network(but) for but in block.get("except") or ()
            )
        elsewhere = peer.get("namespaceSelector")
        if elsewhere is None:
            near = pod.namespace == namespace
        else:
            near = selects(elsewhere, self.namespaces.get(pod.namespace, {}))
        return near and selects(peer.get("podSelector") or {}, pod.labels)


def _numbers(port: Object) -> str:
    if "port" not in port:
        return ""
    last = f"-{port['endPort']}" if port.get("endPort") else ""
    return f"{TARGET_PORT} {port['port']}{last} "


def _table(chains: Mapping[tuple[str, str], Sequence[str]], enforcement: Enforcement) -> Iterable[str]:
    yield from (f"table ip {TABLE} {{}}", f"delete table ip {TABLE}", f"table ip {TABLE} {{")
    jumps: dict[str, list[str]] = {"Ingress": [], "Egress": []}
    for (direction, address), rules in sorted(chains.items()):
        name = f"{direction.lower()}_{address.replace('.', '_')}"
        jumps[direction].append(f"{address} : jump {name}")
        yield f"chain {name} {{"
        yield from dict.fromkeys(rules)
        yield from ("counter drop", "}")
    keep = ["ct state established,related accept"] if enforcement == "keep" else []
    out = [f"{SOURCE} vmap {{ {', '.join(jumps['Egress'])} }}"] if jumps["Egress"] else []
    into = [f"{TARGET} vmap {{ {', '.join(jumps['Ingress'])} }}"] if jumps["Ingress"] else []
    contained = ", ".join(sorted({address for _, address in chains}))
    strays = [f"ct state invalid ip {end} {{ {contained} }} drop" for end in ("saddr", "daddr") if contained]
    yield "chain forward { type filter hook forward priority filter; policy accept;"
    yield from (*keep, *strays, *out, *into, "}")
    yield "chain input { type filter hook input priority filter; policy accept;"
    yield from (*keep, *out, "}", "}")
