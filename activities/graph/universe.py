"""Everybody who can talk, as bits of one number: pods that no policy can tell apart, and addresses outside.

Compiled once from pods, namespaces and policies; what policies mean is then asked in bitsets.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from activities.graph.address_space import AddressSpace
from activities.graph.network_policy import Direction, in_block
from activities.graph.port_space import PortSpace
from activities.graph.selectors import LabelIndex, Labels, members, union
from activities.graph.tiers import Block, Effect, Peer, Pods, Policy, Ports, Rule, Tier
from activities.graph.verdicts import Piece
from activities.graph.workloads import Member


class HostNetwork(StrEnum):
    """What a pod in its node's network is taken for: most enforcers see the node, some see the pod."""

    POD = "pod"
    NODE = "node"


@dataclass(frozen=True)
class Profile:
    """All that policies can see of a pod. What no policy looks at is left out."""

    namespace: str
    labels: frozenset[tuple[str, str]]
    named_ports: frozenset[tuple[str, str, int]]
    addresses: tuple[str, ...]
    host_network: bool
    node: str | None


class Universe:
    """All profiles and all addresses outside, each one bit; and what peers and ports of rules mean among them."""

    def __init__(
        self,
        pods: Sequence[Member],
        namespaces: Mapping[str, Labels],
        policies: Sequence[Policy],
        host_network: HostNetwork,
    ) -> None:
        """Give everybody a bit."""
        self._as_node = host_network is HostNetwork.NODE
        rules = [rule for policy in policies for some in policy.rules.values() for rule in some]
        blocks = [peer for rule in rules for peer in rule.peers if isinstance(peer, Block)]
        self.space = AddressSpace(cidr for block in blocks for cidr in (block.cidr, *block.holes))
        ports = [port for rule in rules for port in rule.ports]
        self._names = frozenset(port.name for port in ports if port.name is not None)
        self._by_address = any(block.pods for block in blocks)
        places: dict[Profile, int] = {}
        self.profile_of = [places.setdefault(self._profile(pod), len(places)) for pod in pods]
        self.profiles = list(places)
        named = [one for profile in self.profiles for one in profile.named_ports]
        numbered = [
            (port.protocol, port.first, port.last) for port in ports if port.protocol and not port.name
        ]
        self.ports = PortSpace([*numbered, *((protocol, number, number) for _, protocol, number in named)])
        self.pods = (1 << len(self.profiles)) - 1
        self.outside = self.space.everything << len(self.profiles)
        self.everybody = self.pods | self.outside
        self._hosts = union(1 << n for n, profile in enumerate(self.profiles) if profile.host_network)
        self._labels = LabelIndex([dict(profile.labels) for profile in self.profiles])
        self._names_of_namespaces = list(namespaces)
        self._namespaces = LabelIndex(list(namespaces.values()))
        self._in_namespace: dict[str, int] = {}
        self._in_namespaces: dict[int, int] = {}
        for number, profile in enumerate(self.profiles):
            held = self._in_namespace.get(profile.namespace, 0)
            self._in_namespace[profile.namespace] = held | 1 << number
        self._named: dict[str, dict[tuple[str, int], int]] = {}
        for number, profile in enumerate(self.profiles):
            for name, protocol, port in profile.named_ports:
                ends = self._named.setdefault(name, {})
                ends[protocol, port] = ends.get((protocol, port), 0) | 1 << number

    def _profile(self, pod: Member) -> Profile:
        by_address = self._by_address or (self._as_node and pod.host_network)
        return Profile(
            namespace=pod.end.namespace or "",
            labels=frozenset(pod.end.labels.items()),
            named_ports=frozenset(
                (name, protocol, number)
                for (name, protocol), number in pod.end.named_ports.items()
                if name in self._names
            ),
            addresses=pod.end.addresses if by_address else (),
            host_network=pod.host_network,
            node=pod.node if self._as_node else None,
        )

    def place(self, bits: int) -> str | None:
        """Return the namespace that holds all of some profiles; None where there is no such one."""
        lowest = (bits & -bits).bit_length() - 1
        if not 0 <= lowest < len(self.profiles):
            return None
        namespace = self.profiles[lowest].namespace
        return None if bits & ~self._in_namespace[namespace] else namespace

    def address(self, text: str) -> int:
        """Return the bit of one address outside.

        Raises:
            ValueError: it is no address.
        """
        return self.addresses(str(ipaddress.ip_address(text)))

    def addresses(self, text: str) -> int:
        """Return the bits of all addresses outside that are not told apart from an address, block or `first-last`.

        Raises:
            ValueError: it is none of these.
        """
        return self.space.between(text) << len(self.profiles)

    def ranges(self, bits: int) -> Iterator[tuple[int, str]]:
        """Yield the addresses outside among these bits as the fewest ranges, each with the bits that it holds."""
        for first, last, text in self.space.ranges(bits >> len(self.profiles)):
            yield ((2 << last) - (1 << first)) << len(self.profiles), text

    def same_node(self) -> Iterator[tuple[int, int]]:
        """Yield who is taken for a node, and the pods on it: no policy stands between them."""
        for host in members(self._hosts if self._as_node else 0):
            node = self.profiles[host].node
            if node is not None:
                yield 1 << host, union(1 << n for n, other in enumerate(self.profiles) if other.node == node)

    def subjects(self, policy: Policy) -> int:
        """Return the pods about which a policy speaks."""
        return self._pods(policy.subject, policy.tier)

    def uses_names(self, policy: Policy, direction: Direction) -> bool:
        """Return whether a policy names ports in one direction."""
        return any(port.name for rule in policy.rules[direction] for port in rule.ports)

    def pieces(self, policy: Policy, direction: Direction, subject: int) -> tuple[Piece, ...]:
        """Return what a policy does to one of its subjects, or to all that are alike."""
        found: list[Piece] = []
        for rule in policy.rules[direction]:
            sure, unsure = self._peers(rule, policy.tier)
            for peers, effect in ((sure, rule.effect), (unsure, Effect.UNKNOWN)):
                for bits, ports in self._on_ports(rule.ports, peers, direction, subject) if peers else ():
                    found.append(Piece(bits, ports, effect, rule.index))
        return tuple(found)

    def _on_ports(
        self, ports: Sequence[Ports], peers: int, direction: Direction, subject: int
    ) -> Iterator[tuple[int, int]]:
        """Yield peers and ports; a name is a number at the destination, which may be another for each of them."""
        numbered = [
            (port.protocol, port.first, port.last) for port in ports if port.protocol and not port.name
        ]
        fixed = union(self.ports.bits(span) for span in numbered) if ports else self.ports.everything
        if fixed:
            yield peers, fixed
        for port in ports:
            for (protocol, number), bits in self._named.get(port.name or "", {}).items():
                there = bits & (peers if direction == "Egress" else subject)
                if there and port.protocol in (protocol, None):
                    yield there if direction == "Egress" else peers, self.ports.bit(protocol, number)

    def _peers(self, rule: Rule, tier: Tier) -> tuple[int, int]:
        """Return who is surely a peer, and who may be one."""
        if not rule.peers:
            return self.everybody, 0
        found = [self._peer(peer, tier) for peer in rule.peers]
        sure = union(bits for bits, _ in found)
        return sure, union(bits for _, bits in found) & ~sure

    def _peer(self, peer: Peer, tier: Tier) -> tuple[int, int]:
        if isinstance(peer, Pods):
            return self._pods(peer, tier), 0
        if not isinstance(peer, Block):
            return 0, self.outside | self._hosts if peer.outside else self.everybody
        sure = self.space.block(peer.cidr, peer.holes) << len(self.profiles)
        unsure = 0
        for number in members(self._addressed(peer)):
            inside = _inside(peer, self.profiles[number].addresses)
            sure |= (1 << number) if inside else 0
            unsure |= (1 << number) if inside is None else 0
        return sure, unsure

    def _addressed(self, block: Block) -> int:
        """Return the pods whose addresses a block looks at: nodes are addresses, pods are none to an ipBlock."""
        return self.pods if block.pods else self._hosts if self._as_node else 0

    def _pods(self, wanted: Pods, tier: Tier) -> int:
        here = self._here(wanted)
        reached = here & self._labels.select(wanted.pods) if wanted.pods else here
        return reached if tier is Tier.NAMESPACED and not self._as_node else reached & ~self._hosts

    def _here(self, wanted: Pods) -> int:
        if wanted.namespace is not None:
            return self._in_namespace.get(wanted.namespace, 0)
        if not wanted.namespaces:
            return self.pods
        chosen = self._namespaces.select(wanted.namespaces)
        if chosen not in self._in_namespaces:
            names = (self._names_of_namespaces[number] for number in members(chosen))
            self._in_namespaces[chosen] = union(self._in_namespace.get(name, 0) for name in names)
        return self._in_namespaces[chosen]


def _inside(block: Block, addresses: Sequence[str]) -> bool | None:
    """Return whether a block holds a pod's addresses; None where that cannot be said."""
    if not addresses:
        whole = ipaddress.ip_network(block.cidr, strict=False)
        return True if whole.version == 4 and whole.prefixlen == 0 and not block.holes else None
    held = {in_block({"cidr": block.cidr, "except": block.holes}, address) for address in addresses}
    return held.pop() if len(held) == 1 else None
