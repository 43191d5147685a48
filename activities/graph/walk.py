"""The walk: from what is compromised to all that can be reached, best certainty first, then fewest steps.

Everything is reached once, by its best way. What a role leads to is looked at once, whoever holds it: rights are
the same for everybody. A token that is only held inside of a pod which cannot reach the API server is no good
there: such holders are `confined`, and are looked at again when somebody outside holds the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from activities.graph.arrivals import NOTHING_BANNED, Arrival, Bans, Copy, Waiting
from activities.graph.combined import Gain, Held
from activities.graph.edges import Certainty, Edge
from activities.graph.rights import EVERYWHERE
from activities.graph.roles import Role
from activities.graph.selectors import members
from activities.graph.sources import Sources
from activities.graph.steps import ByRule, Known, Offer, offer
from activities.graph.targets import bitset
from activities.graph.world import World


@dataclass
class Walk:
    """One question: everything that is reached from some starts. `arrivals` has the answer by number."""

    sources: Sources
    starts: Sequence[int]
    bans: Bans = NOTHING_BANNED
    exploit: bool = False
    """Whether pods that can only be connected to are held as well."""
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    forwards: list[tuple[Certainty, int, int, Offer]] = field(default_factory=list)
    """Port forwards, as (certainty, hops, source, offer): they connect, and do not hold."""

    def __post_init__(self) -> None:
        """Walk."""
        self.world: World = self.sources.world
        self._seen = 0
        self._confined: dict[int, tuple[Certainty, str]] = {}
        self._locked: set[int] = set()
        """What is held inside of a pod only, so far."""
        self._late: list[int] = []
        self._copies: dict[int, Copy] = {}
        self._done: set[tuple[str, int]] = set()
        self._summed: set[frozenset[tuple[str, int]]] = set()
        self._next = len(self.world.census.names)
        self._ends = self.world.census.ends
        self._waiting: dict[Certainty, dict[int, list[Waiting]]] = {one: {} for one in Certainty}
        for start in self.starts:
            self.arrivals[start] = Arrival(Certainty.DIRECT, 0)
            self._late.append(start)
            self._confine(start)
        for start in self.starts:
            self._expand(start)
        for certainty in Certainty:
            self._drain(certainty)

    def base(self, number: int) -> int:
        """Return the entity behind a number: something may be held in several ways."""
        return self._copies[number].base if number in self._copies else number

    def _drain(self, certainty: Certainty) -> None:
        rounds = self._waiting[certainty]
        while rounds:
            hops = min(rounds)
            for waiting in rounds.pop(hops):
                self._arrive(certainty, hops, waiting)

    def _arrive(self, certainty: Certainty, hops: int, waiting: Waiting) -> None:
        """Take what an offer leads to and is not reached yet."""
        given = waiting.offer
        arrival = Arrival(certainty, hops, waiting.source, given)
        held_again = self._held_again(waiting) if self._locked else []
        for number in self._fresh(waiting.source, given):
            self.arrivals[number] = arrival
            if given.edge is Edge.MOUNTS and waiting.source in self._confined:
                self._keep_inside(number, self._confined[waiting.source])
            elif given.edge in _BY_NETWORK:
                self._confine(number)
            if number not in self._ends:
                self._expand(number)
        for number in held_again:
            self._locked.discard(number)
            self._expand(self._copy(Copy(number), arrival))

    def _fresh(self, source: int, given: Offer) -> list[int]:
        """Return what an offer leads to that is not reached yet, and note that it is."""
        if isinstance(given.targets, int):
            self._seen |= bitset(self._late)
            self._late = []
            fresh = [*members(given.targets & ~self._seen)]
        else:
            fresh = [number for number in given.targets if number not in self.arrivals]
        fresh = self._allowed(source, given, fresh)
        self._late += fresh
        return fresh

    def _held_again(self, waiting: Waiting) -> list[int]:
        """Return what was only held inside of a pod, and is now held outside of it."""
        source, given = waiting
        if source in self._confined or given.edge in _BY_NETWORK:
            return []
        if isinstance(given.targets, int):
            found = [number for number in sorted(self._locked) if given.targets >> number & 1]
        else:
            found = [number for number in given.targets if number in self._locked]
        return self._allowed(source, given, found)

    def _copy(self, copy: Copy, arrival: Arrival) -> int:
        number, self._next = self._next, self._next + 1
        self._copies[number] = copy
        self.arrivals[number] = arrival
        return number

    def _allowed(self, source: int, given: Offer, targets: list[int]) -> list[int]:
        """Return the targets of an offer that no ban means."""
        if not self.bans.steps:
            return targets
        start = self.world.census.names[self.base(source)]
        banned = {target for edge, origin, target in self.bans.steps if (edge, origin) == (given.edge, start)}
        return [number for number in targets if self.world.census.names[number] not in banned]

    def _confine(self, number: int) -> None:
        """Note that a pod which is held from inside cannot reach the API server, where that is so."""
        if number in self.world.census.kinds["pod"]:
            path = self.world.ways.api(number)
            if path.certainty is not Certainty.DIRECT:
                self._keep_inside(number, (path.certainty, path.said))

    def _keep_inside(self, number: int, why: tuple[Certainty, str]) -> None:
        self._confined[number] = why
        self._locked.add(number)

    def _expand(self, number: int) -> None:
        """Put all offers of something that was just reached where their turn will come."""
        arrival = self.arrivals[number]
        for given in self._offers(number, arrival):
            if self._vain(given):
                continue
            if given.edge is Edge.PORT_FORWARD and not self.exploit:
                worse = max(arrival.certainty, given.certainty)
                self.forwards.append((worse, arrival.hops + 1, number, given))
                continue
            if given.edge in _USES_TOKEN and number in self._confined:
                certainty, why = self._confined[number]
                worse = max(certainty, given.certainty)
                given = given._replace(certainty=worse, conditions=(*given.conditions, why))
            worse = max(arrival.certainty, given.certainty)
            self._waiting[worse].setdefault(arrival.hops + 1, []).append(Waiting(number, given))

    def _vain(self, given: Offer) -> bool:
        """Return whether an offer to few leads to nothing that is new."""
        targets = given.targets
        if isinstance(targets, int):
            return False
        return all(map(self.arrivals.__contains__, targets)) and self._locked.isdisjoint(targets)

    def _offers(self, number: int, arrival: Arrival) -> Iterable[Offer]:
        census, base = self.world.census, self.base(number)
        copy = self._copies.get(number)
        if base == census.admin:
            return self.sources.admin()
        match census.kind(base):
            case "pod":
                more = self.sources.network(base) if self.exploit and copy is None else ()
                return [*self.sources.pod(base), *more]
            case "secret":
                return self.sources.secret(base)
            case "node":
                return self.sources.node(base)
        return self._identity(number, base, copy, arrival)

    def _identity(self, number: int, base: int, copy: Copy | None, arrival: Arrival) -> Iterator[Offer]:
        held = self.sources.held(base, self.bans.bindings)
        if copy is None:
            yield from self.sources.groups(base)
        else:
            held = [*held, *copy.held]
        for one in held:
            yield from self._of_role(one)
        counting = [one for one in held if self.world.combined.counts(one.role)]
        key = frozenset((one.scope, id(one.role)) for one in counting)
        if key and key not in self._summed:
            self._summed.add(key)
            for scope, together in self.world.combined.sums(counting):
                yield from self.world.combined.offers(scope, together)
                self._gain(number, held, arrival, self.world.combined.gains(scope, together, counting))

    def _of_role(self, one: Held) -> Iterator[Offer]:
        """Yield what a role leads to, unless it was looked at: the first who holds it is the nearest."""
        key = (one.scope, id(one.role))
        if key in self._done:
            return
        self._done.add(key)
        for right in self.world.rights.of(one.role, one.scope):
            by = ByRule(self.world.rbac, one.binding, one.role, right.cap, one.gained)
            yield Offer(right.edge, right.targets, by, right.certainty, right.conditions)

    def _gain(self, number: int, held: Sequence[Held], arrival: Arrival, gains: Iterable[Gain]) -> None:
        """Let an identity go on with the rights that it can take."""
        known = {(one.scope, id(one.role)) for one in held}
        for gain in gains:
            names = self.world.census.names[self.base(number)]
            granted = gain.by.granted(names)
            new = [
                Held(scope, role, None, granted)
                for scope, role in gain.roles
                if (scope, id(role)) not in known
                and (self.world.combined.counts(role) or not self._covered(scope, role))
            ]
            if new:
                grown = (*(one for one in held if one.binding is None), *new)
                step = offer(gain.edge, (), Known(granted))
                arrived = Arrival(arrival.certainty, arrival.hops + 1, number, step)
                self._expand(self._copy(Copy(self.base(number), grown), arrived))

    def _covered(self, scope: str, role: Role) -> bool:
        """Return whether all that a role leads to was looked at, here or everywhere."""
        return (EVERYWHERE, id(role)) in self._done or (scope, id(role)) in self._done


_USES_TOKEN = frozenset({Edge.RUNS_AS, Edge.TOKEN_FOR})
_BY_NETWORK = frozenset({Edge.NET_REACH, Edge.PORT_FORWARD, Edge.EXPOSED_TO})
