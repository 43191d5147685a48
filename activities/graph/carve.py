"""How one flow is closed with policies that can only allow: the pod leaves them, into one that lacks the flow.

Every policy that selects the pod is left by one `NotIn`; ours takes over all that they allowed, less the one
flow, and what they said about the other direction. Nothing else opens or closes, and removing what was added
restores the old state exactly.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.graph.network_policy import (
    DIRECTIONS,
    PEERS,
    PROTOCOLS,
    RULES,
    Direction,
    End,
    Object,
    Port,
    directions,
    in_block,
    meets_port,
    selecting,
)

EVERYBODY: tuple[Object, ...] = (
    {"namespaceSelector": {}},
    {"ipBlock": {"cidr": "0.0.0.0/0"}},
    {"ipBlock": {"cidr": "::/0"}},
)
"""A rule without peers, written out. Not every enforcer counts pods among addresses, so both are named."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The flow to be closed, seen from the pod that is contained."""

    direction: Direction
    pod: End
    other: End
    mark: tuple[str, str] | None
    """Label that tells the other end from all other pods; None where it is an address."""
    port: Port | None
    """None closes every port."""

    @property
    def destination(self) -> End:
        """The end whose ports are meant."""
        return self.other if self.direction == "Egress" else self.pod


@dataclass(frozen=True, kw_only=True)
class Carving:
    """What to write: our policy's types and rules, and the policies to be left."""

    types: tuple[Direction, ...]
    rules: Mapping[Direction, tuple[Object, ...]]
    leave: tuple[Object, ...]
    unresolved: tuple[str, ...] = ()
    """Names of ports at an end that is no pod: which number is meant is undefined, so they are closed for it."""

    def spec(self, selector: Mapping[str, str]) -> dict[str, Any]:
        """Return our policy's spec, in the form in which the API server would return it."""
        body: dict[str, Any] = {"podSelector": {"matchLabels": dict(selector)}}
        for direction in self.types:
            if self.rules[direction]:
                body[RULES[direction]] = list(self.rules[direction])
        return {**body, "policyTypes": list(self.types)}


def without_peer(peers: Sequence[Object], cut: Cut) -> list[Object]:
    """Return the peers of a rule less the other end; no peers means everybody."""
    kept: list[Object] = []
    for peer in peers or EVERYBODY:
        if "ipBlock" in peer:
            kept += _without_addresses(peer, cut.other.addresses)
        elif cut.mark is None:
            kept.append(peer)
        else:
            selector = peer.get("podSelector") or {}
            term = {"key": cut.mark[0], "operator": "NotIn", "values": [cut.mark[1]]}
            terms = [*(selector.get("matchExpressions") or []), term]
            kept.append({**peer, "podSelector": {**selector, "matchExpressions": terms}})
    return kept


def _without_addresses(peer: Object, addresses: Sequence[str]) -> Iterator[Object]:
    block = peer["ipBlock"]
    inside = [ipaddress.ip_network(address) for address in addresses if in_block(block, address)]
    if ipaddress.ip_network(block["cidr"], strict=False) in inside:
        return
    holes = [*(block.get("except") or []), *sorted(str(network) for network in inside)]
    yield {"ipBlock": {"cidr": block["cidr"], **({"except": holes} if holes else {})}}


def without_port(ports: Sequence[Object], cut: Cut, port: Port) -> list[Object]:
    """Return the ports of a rule less one; no ports means every port of every protocol."""
    kept: list[Object] = []
    for entry in ports or [{"protocol": protocol} for protocol in PROTOCOLS]:
        if _unresolvable(entry, cut):
            continue
        if not meets_port(entry, cut.destination, port):
            kept.append(entry)
        elif not isinstance(entry.get("port"), str):
            kept += _split(entry, port)
    return kept


def _split(entry: Object, port: Port) -> Iterator[Object]:
    protocol, number = port
    first = entry.get("port", 1)
    last = entry.get("endPort", entry.get("port", 65535))
    for low, high in ((first, number - 1), (number + 1, last)):
        if low <= high:
            yield {"protocol": protocol, "port": low, **({"endPort": high} if high > low else {})}


def _unresolvable(entry: Object, cut: Cut) -> bool:
    """Whether this is a port's name, and the end whose port it would be is no pod that could tell the number."""
    return isinstance(entry.get("port"), str) and cut.destination.namespace is None


def carve(rule: Object, cut: Cut) -> list[Object]:
    """Return one rule less the flow, as none, one or two rules; as it is, where it does not allow the flow."""
    key = PEERS[cut.direction]
    peers, ports = rule.get(key) or [], rule.get("ports") or []
    others = without_peer(peers, cut)
    if others == peers:
        return [rule]
    rules: list[Object] = [{key: others, **({"ports": ports} if ports else {})}] if others else []
    if cut.port is None:
        return rules
    rest = without_port(ports, cut, cut.port)
    if rest == ports:
        return [rule]
    return [*rules, {**({key: peers} if peers else {}), "ports": rest}] if rest else rules


def allows_something(policy: Object, spoken: Sequence[Direction] = DIRECTIONS) -> bool:
    """Return whether a policy has a rule at all; one that has none opens nothing, and need not be left."""
    return any(policy["spec"].get(RULES[d]) for d in directions(policy) if d in spoken)


def opening(policies: Sequence[Object], cut: Cut) -> list[Object]:
    """Return the policies that allow the pod anything in the direction of the flow."""
    selected = selecting(policies, cut.pod, cut.direction)
    return [policy for policy in selected if allows_something(policy, (cut.direction,))]


def close_flow(policies: Sequence[Object], cut: Cut) -> Carving:
    """Return what closes one flow of one pod and changes no other."""
    selected = selecting(policies, cut.pod, cut.direction)
    leave = opening(policies, cut)
    field = RULES[cut.direction]
    sources = [rule for policy in leave for rule in policy["spec"][field]] if selected else [{}]
    rules: dict[Direction, tuple[Object, ...]] = {
        cut.direction: tuple(part for rule in sources for part in carve(rule, cut))
    }
    other: Direction = "Ingress" if cut.direction == "Egress" else "Egress"
    moved = [policy for policy in leave if other in directions(policy)]
    if moved:
        rules[other] = tuple(rule for policy in moved for rule in policy["spec"].get(RULES[other]) or [])
    unresolved = {
        entry["port"]
        for rule in sources
        for entry in rule.get("ports") or []
        if cut.port is not None and _unresolvable(entry, cut)
    }
    return Carving(
        types=tuple(direction for direction in DIRECTIONS if direction in rules),
        rules=rules,
        leave=tuple(leave),
        unresolved=tuple(sorted(unresolved)),
    )


def close_everything(policies: Sequence[Object], pods: Sequence[End]) -> Carving:
    """Return what closes every connection of some pods of one namespace, in both directions."""
    names = {
        policy["metadata"]["name"]
        for pod in pods
        for direction in DIRECTIONS
        for policy in selecting(policies, pod, direction)
        if allows_something(policy, (direction,))
    }
    return Carving(
        types=DIRECTIONS,
        rules=dict.fromkeys(DIRECTIONS, ()),
        leave=tuple(policy for policy in policies if policy["metadata"]["name"] in names),
    )
