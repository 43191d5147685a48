"""All network policies of a cluster, asked about everybody at once.

Pods that the same policies select are one class for each direction, so that all pairs are as many products of
two sets as there are different answers, not as many as there are pairs.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.graph.network_policy import DIRECTIONS, Direction, Object
from activities.graph.policy_kinds import policies
from activities.graph.selectors import Labels, members
from activities.graph.tiers import Policy
from activities.graph.universe import HostNetwork, Universe
from activities.graph.verdicts import Answer, Piece, Ruling, judge
from activities.graph.workloads import Member, pods


class Link(NamedTuple):
    """Everybody of one set may talk to everybody of another."""

    sources: int
    destinations: int
    answer: Answer


class _Class(NamedTuple):
    """Pods that are judged alike in one direction."""

    members: int
    rulings: tuple[Ruling, ...]
    answers: Mapping[Answer, int]


class Network:
    """Everybody who can talk in one state of a cluster, and all that policies say about them."""

    def __init__(
        self,
        objects: Sequence[Object],
        namespaces: Mapping[str, Labels],
        host_network: HostNetwork = HostNetwork.POD,
        known: list[Member] | None = None,
    ) -> None:
        """Compile a cluster: pods, workloads and policies among `objects`, and the labels of its namespaces.

        `known` are the pods among the objects, where somebody has looked for them already.

        Raises:
            BadInput: an object cannot be understood; it is named.
        """
        self.members: list[Member] = pods(objects) if known is None else known
        self.policies: list[Policy] = policies(objects)
        self.universe = Universe(self.members, namespaces, self.policies, host_network)
        self._classes = {direction: self._classify(direction) for direction in DIRECTIONS}
        self._pods: dict[str, list[int]] = {}
        self._owned: dict[str, list[int]] = {}
        self._addressed: dict[str, list[int]] = {}
        for number, member in enumerate(self.members):
            self._pods.setdefault(member.name, []).append(number)
            for name in (member.owner, member.owner.partition("[")[0]):
                self._owned.setdefault(name, []).append(number)
            for address in () if member.host_network else member.end.addresses:
                self._addressed[address] = [number]
        self._neighbours = list(self.universe.same_node())
        self._class_of = {
            direction: {profile: one for one in self._classes[direction] for profile in members(one.members)}
            for direction in DIRECTIONS
        }

    def _classify(self, direction: Direction) -> list[_Class]:
        speaking = [policy for policy in self.policies if direction in policy.rules]
        selecting: list[list[int]] = [[] for _ in self.universe.profiles]
        for number, policy in enumerate(speaking):
            for profile in members(self.universe.subjects(policy)):
                selecting[profile].append(number)
        named = {
            number
            for number, policy in enumerate(speaking)
            if direction == "Ingress" and self.universe.uses_names(policy, direction)
        }
        alike: dict[tuple[tuple[int, ...], Hashable], int] = {}
        for profile, numbers in enumerate(selecting):
            chosen = tuple(numbers)
            own = self.universe.profiles[profile].named_ports if named.intersection(chosen) else None
            alike[chosen, own] = alike.get((chosen, own), 0) | 1 << profile
        pieces: dict[tuple[int, Hashable], tuple[Piece, ...]] = {}
        found = []
        for (chosen, names), bits in alike.items():
            for number in chosen:
                if (number, names) not in pieces:
                    pieces[number, names] = self.universe.pieces(speaking[number], direction, bits)
            rulings = tuple(Ruling(speaking[number], pieces[number, names]) for number in chosen)
            answers = judge(rulings, self.universe.everybody, self.universe.ports.everything)
            found.append(_Class(bits, rulings, answers))
        return found

    def links(self) -> Iterator[Link]:
        """Yield all that is open or unknown between pods, and between pods and addresses outside."""
        everything = Answer(self.universe.ports.everything, 0)
        pods, outside = self.universe.pods, self.universe.outside
        leaving = [(one.members, _open(one.answers)) for one in self._classes["Egress"]]
        entering = [
            (one.members, who, into) for one in self._classes["Ingress"] for who, into in _open(one.answers)
        ]
        entering.append((outside, pods, everything))
        placed: dict[str | None, list[tuple[int, int, Answer]]] = {}
        for one in entering:
            placed.setdefault(self.universe.place(one[1]), []).append(one)
        for sources, reached in [*leaving, (outside, [(pods, everything)])]:
            place = self.universe.place(sources)
            near = entering if place is None else [*placed.get(None, ()), *placed.get(place, ())]
            candidates = [(there, here, into) for there, who, into in near if (here := who & sources)]
            for met, out in reached:
                for there, here, into in candidates:
                    if (destinations := met & there) and (answer := both(out, into)) != (0, 0):
                        yield Link(here, destinations, answer)
        for host, mates in self._neighbours:
            yield Link(host, mates, everything)
            yield Link(mates, host, everything)

    def rulings(self, direction: Direction, profile: int) -> tuple[Ruling, ...]:
        """Return the policies that speak about a profile, in the order in which they decide."""
        return self._class_of[direction][profile].rulings

    def classes(self, direction: Direction) -> Iterator[tuple[int, Mapping[Answer, int]]]:
        """Yield the profiles that are judged alike, and what their policies say to whom."""
        for one in self._classes[direction]:
            yield one.members, one.answers

    def answers(self, direction: Direction, profile: int) -> Mapping[Answer, int]:
        """Return what a profile's own policies say to everybody."""
        return self._class_of[direction][profile].answers

    def answer(self, direction: Direction, profile: int, other: int) -> Answer:
        """Return what a profile's own policies say about one other end, given as its bit."""
        answers = self.answers(direction, profile)
        return next(answer for answer, held in answers.items() if held & other)

    def on_one_node(self, one: int, other: int) -> bool:
        """Return whether one of two ends, given as bits, is taken for the node on which the other runs."""
        return any(
            (one & host and other & mates) or (other & host and one & mates)
            for host, mates in self._neighbours
        )

    def find(self, name: str) -> list[int]:
        """Return the numbers of the pods that are called so, else whose owner is, else whose address it is."""
        return self._pods.get(name) or self._owned.get(name) or self._addressed.get(name, [])


def both(out: Answer, into: Answer) -> Answer:
    """Return what the source's and the destination's answers come to: both must allow."""
    allow = out.allow & into.allow
    return Answer(allow, (out.allow | out.unknown) & (into.allow | into.unknown) & ~allow)


def _open(answers: Mapping[Answer, int]) -> list[tuple[int, Answer]]:
    return [(held, answer) for answer, held in answers.items() if answer.allow | answer.unknown]
