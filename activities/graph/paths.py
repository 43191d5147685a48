"""The ways that a walk took, step by step, with who allows each: made once for all that share them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from activities.graph.arrivals import Arrival
from activities.graph.beyond import Leaf
from activities.graph.edges import Certainty, Edge
from activities.graph.steps import ByRule, Granted
from activities.graph.walk import Walk
from activities.graph.world import World


class Hop(NamedTuple):
    """One step of a way: from whom to whom, by whose leave, and what else must be so."""

    edge: Edge
    source: str
    target: str
    granted: Granted
    conditions: tuple[str, ...]


class Reached(NamedTuple):
    """One thing that can be reached, and the best way there."""

    entity: str
    certainty: Certainty
    hops: int
    path: tuple[Hop, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return all that must be so along the way."""
        return tuple(dict.fromkeys(text for hop in self.path for text in hop.conditions))


class Paths:
    """The ways of one walk, each step made once."""

    def __init__(self, world: World, walk: Walk) -> None:
        """Take a walk that has ended."""
        self._census, self._walk = world.census, walk
        self._granted: dict[tuple[int, Any], Granted] = {}
        self._ways: dict[int, tuple[Hop, ...]] = {}
        self._find()

    def _find(self) -> None:
        """Make all ways. A source comes before what it leads to, and what one offer leads to comes together."""
        ways, names, base = self._ways, self._census.names, self._walk.base
        last: Arrival | None = None
        before: tuple[Hop, ...] = ()
        source = ""
        for number, arrival in self._walk.arrivals.items():
            given = arrival.offer
            if given is None or arrival.source is None:
                ways[number] = ()
                continue
            if arrival is not last:
                last, before, source = arrival, ways[arrival.source], names[base(arrival.source)]
            target = names[number] if number < len(names) else names[base(number)]
            leave = self._leave(given.proof, target)
            ways[number] = (*before, Hop(given.edge, source, target, leave, given.conditions))

    def held(self) -> Iterator[Reached]:
        """Yield all that the walk holds, without the starts and `cluster-admin`."""
        last = self._census.admin
        for number, arrival in self._walk.arrivals.items():
            if number < last and arrival.source is not None:
                yield self._row(number, arrival)

    def admin(self) -> Reached | None:
        """Return the way to everything, where there is one."""
        arrival = self._walk.arrivals.get(self._census.admin)
        return arrival and self._row(self._census.admin, arrival)

    def _row(self, number: int, arrival: Arrival) -> Reached:
        return Reached(self._census.names[number], arrival.certainty, arrival.hops, self._ways[number])

    def leaf(self, leaf: Leaf) -> Reached:
        """Return something that can only be connected to."""
        source = self._census.names[self._walk.base(leaf.source)]
        hop = Hop(leaf.edge, source, leaf.entity, leaf.proof.granted(leaf.entity), leaf.conditions)
        return Reached(leaf.entity, leaf.certainty, leaf.hops, (*self._ways[leaf.source], hop))

    def _leave(self, proof: Any, target: str) -> Granted:
        """Return who allows a step; a rule without names says the same about every target."""
        if not isinstance(proof, ByRule):
            return proof.granted(target)  # type: ignore[no-any-return] # a Proof
        key = (id(proof), None if proof.nameless else target)
        if key not in self._granted:
            self._granted[key] = proof.granted(target)
        return self._granted[key]
