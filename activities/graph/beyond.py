"""What can only be connected to: pods that are not held, and addresses outside. The walk ends there.

All pods that were reached after as many steps ask at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from activities.graph.edges import Certainty, Edge
from activities.graph.port_space import FIRST, LAST, PortRange
from activities.graph.possessions import containers
from activities.graph.selectors import members
from activities.graph.steps import Granted, Known, Proof
from activities.graph.targets import listed
from activities.graph.verdicts import Answer
from activities.graph.walk import Walk
from activities.graph.ways import IMDS, Met, Ways
from activities.graph.world import World

_ROUND = tuple[Certainty, int]


class Leaf(NamedTuple):
    """Something that can be connected to from a pod that is held (`source`, by number)."""

    entity: str
    certainty: Certainty
    hops: int
    source: int
    edge: Edge
    proof: Proof
    conditions: tuple[str, ...] = ()


class _ByPolicies(NamedTuple):
    """The policies that let one pod talk to another, looked up when they are shown."""

    world: World
    source: int
    target: int

    def granted(self, target: str) -> Granted:
        """Return them."""
        return self.world.ways.leave(self.source, self.target, self.world.policies)


class Beyond:
    """What one walk can connect to."""

    def __init__(self, walk: Walk) -> None:
        """Look from all pods that the walk holds."""
        self._walk, self._world = walk, walk.world
        self._ways: Ways = walk.world.ways
        pods = walk.world.census.kinds["pod"]
        self._held = {number for number in walk.arrivals if number in pods}
        self._rounds: dict[_ROUND, list[int]] = {}
        for number in sorted(self._held):
            arrival = walk.arrivals[number]
            self._rounds.setdefault((arrival.certainty, arrival.hops), []).append(number)
        self._words: dict[tuple[Answer, tuple[PortRange, ...]], str] = {}

    def leaves(self) -> list[Leaf]:
        """Return everything, once each, the best way first."""
        found: dict[str | int, Leaf] = {}
        for key, leaf in sorted([*self._forwarded(), *self._met()], key=lambda one: one[1][1:3]):
            found.setdefault(key, leaf)
        return [*found.values(), *self._outside()]

    def _forwarded(self) -> Iterator[tuple[int, Leaf]]:
        told: set[int] = {*self._held}
        for certainty, hops, source, given in sorted(self._walk.forwards, key=lambda one: one[:2]):
            fresh = [number for number in listed(given.targets) if number not in told]
            told.update(fresh)
            for number in fresh:
                name = self._world.census.names[number]
                yield number, Leaf(name, certainty, hops, source, given.edge, given.proof, given.conditions)

    def _met(self) -> Iterator[tuple[int, Leaf]]:
        ways, names = self._ways, self._world.census.names
        left = {n for n in self._world.census.kinds["pod"] if n not in self._held}
        candidates = _profiles(ways, left)
        for (certainty, hops), batch in sorted(self._rounds.items()):
            first = _firsts(ways, batch)
            for met in ways.meet(_profiles(ways, batch), candidates) if candidates else ():
                source = min(first[profile] for profile in members(met.sources))
                for number in ways.pods(met.targets):
                    if number not in left:
                        continue
                    sure = met.answer.allow != 0
                    worse = max(certainty, Certainty.CONDITIONAL if sure else Certainty.UNKNOWN)
                    proof = _ByPolicies(self._world, source, number)
                    words = (self._flaw(met, number),)
                    yield number, Leaf(names[number], worse, hops + 1, source, Edge.NET_REACH, proof, words)
                    if sure:
                        left.discard(number)
            candidates = _profiles(ways, left)

    def _flaw(self, met: Met, number: int) -> str:
        """Return what control of a pod needs that can be connected to."""
        declared = tuple(_declared(self._world, number))
        key = (met.answer, declared)
        if key not in self._words:
            ranges = self._ways.ports(met.answer.allow or met.answer.unknown)
            served = [port for port in declared if any(_inside(port, span) for span in ranges)]
            told = _told(served or ranges) + ("" if served else ", none of which the pod declares")
            doubt = "" if met.answer.allow else "; and a policy that is not modelled lets it through"
            self._words[key] = f"what listens on {told} has a flaw{doubt}"
        return self._words[key]

    def _outside(self) -> Iterator[Leaf]:
        """Yield addresses outside: those of the API server first, then all, as wide as they can be."""
        told: set[str] = set()
        covered = dict.fromkeys(Certainty, 0)
        for (certainty, hops), batch in sorted(self._rounds.items()):
            first = _firsts(self._ways, batch)
            for here, there, answer in self._ways.leaving(_profiles(self._ways, batch)):
                source = min(first[profile] for profile in members(here))
                worse = max(certainty, Certainty.DIRECT if answer.allow else Certainty.UNKNOWN)
                for name, edge in self._known(there, answer):
                    if name not in told:
                        told.add(name)
                        yield Leaf(f"ip/{name}", worse, hops + 1, source, edge, self._egress(answer))
                fresh = there
                for better in range(worse + 1):
                    fresh &= ~covered[Certainty(better)]
                covered[worse] |= fresh
                for text in self._ways.outside(fresh) if fresh else ():
                    yield Leaf(f"ip/{text}", worse, hops + 1, source, Edge.EGRESS, self._egress(answer))

    def _known(self, there: int, answer: Answer) -> Iterator[tuple[str, Edge]]:
        for server in self._ways.servers:
            if self._ways.address(server.address) & there and self._ways.opens(answer, server.port):
                yield server.address, Edge.API_PATH
        if self._ways.address(IMDS) & there and self._ways.opens(answer, 80):
            yield IMDS, Edge.EGRESS

    def _egress(self, answer: Answer) -> Proof:
        ports = _told(self._ways.ports(answer.allow or answer.unknown))
        return Known(Granted("the pod's network policies", rule=f"egress on {ports}"))


def _profiles(ways: Ways, pods: Iterable[int]) -> int:
    found = 0
    for profile in {ways.number(pod) for pod in pods}:
        found |= 1 << profile
    return found


def _firsts(ways: Ways, pods: Iterable[int]) -> Mapping[int, int]:
    """Return the first pod of each profile."""
    found: dict[int, int] = {}
    for pod in pods:
        found.setdefault(ways.number(pod), pod)
    return found


def _declared(world: World, number: int) -> Iterator[PortRange]:
    for container in containers(world.members[number].manifest.get("spec") or {}):
        for port in container.get("ports") or ():
            if isinstance(port.get("containerPort"), int):
                yield port.get("protocol") or "TCP", port["containerPort"], port["containerPort"]


def _inside(port: PortRange, span: PortRange) -> bool:
    return port[0] == span[0] and span[1] <= port[1] <= span[2]


def _told(ranges: Iterable[PortRange]) -> str:
    spans: dict[str, list[str]] = {}
    for protocol, first, last in ranges:
        span = (
            "any port"
            if (first, last) == (FIRST, LAST)
            else str(first)
            if first == last
            else f"{first}-{last}"
        )
        spans.setdefault(protocol, []).append(span)
    if list(spans.values()) == [["any port"]] * 3:
        return "any port"
    return ", ".join(f"{protocol} {','.join(found)}" for protocol, found in spans.items())
