"""Who may talk to whom, end by end, and by whose leave.

An end is a workload with all of its pods, a bare pod, or a range of addresses outside. Ranges are as wide as they
can be: two that meet differ in something.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from activities.graph.network import Network
from activities.graph.port_space import PortRange
from activities.graph.selectors import members
from activities.graph.verdicts import Answer
from signals.errors import BadInput

_Told = tuple[tuple[PortRange, ...], tuple[PortRange, ...]]
"""Ports that are open, and those that are unknown."""
_Reached = tuple[list[tuple[int, _Told]], list[tuple[int, str, _Told]]]
"""Owners, and ranges with their bits; each with what is open towards them."""


class Connection(NamedTuple):
    """One end may talk to another on these ports; of those in `unknown` it cannot be said."""

    source: str
    destination: str
    ports: tuple[PortRange, ...]
    unknown: tuple[PortRange, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """Some ends: owners by number, and addresses outside as bits."""

    owners: frozenset[int]
    outside: int


class Connections:
    """All ends of one state of a cluster, and who may talk to whom."""

    def __init__(self, network: Network) -> None:
        """Fold the pods of `network` into ends."""
        self.network = network
        self._universe = network.universe
        self._owners = sorted({member.owner for member in network.members})
        numbers = {owner: number for number, owner in enumerate(self._owners)}
        self._profiles: list[set[int]] = [set() for _ in self._owners]
        self._owned: list[set[int]] = [set() for _ in self._universe.profiles]
        for member, profile in zip(network.members, self._universe.profile_of, strict=True):
            self._profiles[numbers[member.owner]].add(profile)
            self._owned[profile].add(numbers[member.owner])
        self._links = list(network.links())
        self._leaving: list[list[int]] = [[] for _ in self._universe.profiles]
        self._entering: list[list[int]] = [[] for _ in self._universe.profiles]
        for number, link in enumerate(self._links):
            for profile in members(link.sources & self._universe.pods):
                self._leaving[profile].append(number)
            if link.sources & self._universe.outside:
                for profile in members(link.destinations):
                    self._entering[profile].append(number)
        self._reached = lru_cache(maxsize=64)(self._reach)

    def choose(self, text: str) -> Chosen:
        """Return the ends that a person means: an owner, one of its pods, an address, a block or a range.

        Raises:
            BadInput: nobody is called so.
        """
        owners = {self.network.members[number].owner for number in self.network.find(text)}
        if owners:
            return Chosen(frozenset(n for n, owner in enumerate(self._owners) if owner in owners), 0)
        try:
            return Chosen(frozenset(), self._universe.addresses(text))
        except ValueError as error:
            raise BadInput(f"There is no workload, pod or address {text} here.") from error

    def between(
        self, source: Chosen | None = None, destination: Chosen | None = None
    ) -> Iterator[Connection]:
        """Yield who may talk to whom, of these ends or of all, sorted: workloads by name, then addresses.

        A pair that may not talk is absent, and so is a pair with itself.
        """
        for owner, name in enumerate(self._owners):
            if source is None or owner in source.owners:
                numbers = frozenset(n for profile in self._profiles[owner] for n in self._leaving[profile])
                targets, ranges = self._reached(numbers)
                for target, told in targets:
                    if target != owner and (destination is None or target in destination.owners):
                        yield Connection(name, self._owners[target], *told)
                for bits, text, told in ranges:
                    if destination is None or bits & destination.outside:
                        yield Connection(name, text, *told)
        if source is None or source.outside:
            yield from self._from_outside(source, destination)

    def _from_outside(self, source: Chosen | None, destination: Chosen | None) -> Iterator[Connection]:
        found: list[tuple[int, str, int, _Told]] = []
        for target in range(len(self._owners)):
            if destination is None or target in destination.owners:
                numbers = {n for profile in self._profiles[target] for n in self._entering[profile]}
                parts = _overlay(
                    (link.sources, link.answer) for link in map(self._links.__getitem__, numbers)
                )
                for bits, text, told in self._ranges(parts):
                    if source is None or bits & source.outside:
                        found.append((bits, text, target, told))
        for _, text, target, told in sorted(found, key=lambda one: (one[0] & -one[0], one[0], one[2])):
            yield Connection(text, self._owners[target], *told)

    def _reach(self, numbers: frozenset[int]) -> _Reached:
        """Return the ends at the other side of some links."""
        parts = _overlay((link.destinations, link.answer) for link in map(self._links.__getitem__, numbers))
        targets: dict[int, Answer] = {}
        for answer, bits in parts.items():
            for profile in members(bits & self._universe.pods):
                for owner in self._owned[profile]:
                    other = targets.get(owner, answer)
                    targets[owner] = answer if other is answer else _either(other, answer)
        told = {answer: self._told(answer) for answer in {*targets.values()}}
        return [(owner, told[targets[owner]]) for owner in sorted(targets)], self._ranges(parts)

    def _ranges(self, parts: Mapping[Answer, int]) -> list[tuple[int, str, _Told]]:
        found = [
            (bits, text, self._told(answer))
            for answer, held in parts.items()
            for bits, text in self._universe.ranges(held & self._universe.outside)
        ]
        return sorted(found, key=lambda one: one[0])

    def _told(self, answer: Answer) -> _Told:
        ranges = self._universe.ports.ranges
        return ranges(answer.allow), ranges(answer.unknown)


def _either(a: Answer, b: Answer) -> Answer:
    """Return what two pods of one end may do between them."""
    allow = a.allow | b.allow
    return Answer(allow, (a.unknown | b.unknown) & ~allow)


def _overlay(layers: Iterable[tuple[int, Answer]]) -> dict[Answer, int]:
    """Return who is given which answer, where an answer of several layers is all of theirs together."""
    parts: dict[Answer, int] = {}
    for bits, answer in layers:
        found: dict[Answer, int] = {}
        for other, held in parts.items():
            inside = held & bits
            for joined, some in ((_either(other, answer), inside), (other, held ^ inside)):
                if some:
                    found[joined] = found.get(joined, 0) | some
            bits ^= inside
        if bits:
            found[answer] = found.get(answer, 0) | bits
        parts = found
    return parts
