"""What could be reached from somewhere: the answer, with how sure each part of it is, and the way there."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from activities.graph.arrivals import NOTHING_BANNED, Bans
from activities.graph.beyond import Beyond
from activities.graph.edges import Certainty, Edge
from activities.graph.paths import Hop, Paths, Reached
from activities.graph.quiet import uncollected
from activities.graph.sources import Sources
from activities.graph.walk import Walk
from activities.graph.world import World
from signals.errors import BadInput

KINDS = {"pod": 2, "sa": 2, "secret": 2, "node": 1, "user": 1, "group": 1, "ip": 1}
"""Kind of entity → how many parts its name has."""
ALTERNATIVES = 3
"""Other ways to one target that are looked for."""


@dataclass(frozen=True)
class Result:
    """All that can be reached, best first; `cluster_admin` is everything, where that is reached."""

    start: str
    reached: tuple[Reached, ...]
    cluster_admin: Reached | None
    missing: tuple[str, ...]
    there: bool = True
    """Whether the start is there at all."""


def parse(entity: str) -> tuple[str, str]:
    """Return kind and name of an entity as people write it.

    Raises:
        BadInput: it is none.
    """
    kind, _, name = entity.partition("/")
    parts = KINDS.get(kind)
    if parts is None or not name or (parts == 2 and (name.count("/") != 1 or "" in name.split("/"))):
        raise BadInput(
            f"{entity} is nothing that can be reached: say pod/NAMESPACE/NAME, sa/NAMESPACE/NAME, user/NAME,"
            " group/NAME, node/NAME, secret/NAMESPACE/NAME or ip/ADDRESS."
        )
    if kind == "ip":
        try:
            ipaddress.ip_address(name)
        except ValueError as error:
            raise BadInput(f"{name} is no address.") from error
    return kind, name


def extra(entities: Iterable[str]) -> list[str]:
    """Return the users and groups among some entities: nothing needs to mention them."""
    found = [entity for entity in entities if entity and parse(entity)[0] in ("user", "group")]
    return [entity for entity in found if not entity.startswith("user/system:serviceaccount:")]


def canonical(entity: str) -> str:
    """Return an entity as it is known here: the user of a ServiceAccount is the account."""
    prefix = "user/system:serviceaccount:"
    return f"sa/{entity.removeprefix(prefix).replace(':', '/', 1)}" if entity.startswith(prefix) else entity


class Reach:
    """Asks one world what can be reached."""

    def __init__(self, world: World, *, exploit: bool = False) -> None:
        """Take the world; with `exploit`, pods that can only be connected to are held as well."""
        self._world, self._exploit, self._sources = world, exploit, Sources(world)

    def ask(self, start: str, bans: Bans = NOTHING_BANNED) -> Result:
        """Return all that can be reached from an entity.

        Raises:
            BadInput: it is not there, or an object cannot be understood.
        """
        start = canonical(start)
        with uncollected():
            return self._ask(start, bans)

    def _ask(self, start: str, bans: Bans) -> Result:
        kind, name = parse(start)
        starts = self._starts(start, kind, name)
        walk = Walk(self._sources, starts, bans, self._exploit)
        paths = Paths(self._world, walk)
        rows = [*paths.held()]
        if kind == "ip" and not starts:
            rows += self._exposed(start, name)
        pods = self._world.census.kinds["pod"]
        if walk.forwards or any(number in pods for number in walk.arrivals):
            rows += map(paths.leaf, Beyond(walk).leaves())
        admin = paths.admin()
        ordered = sorted((int(row.certainty), row.hops, row.entity, n) for n, row in enumerate(rows))
        best = tuple(rows[place] for *_, place in ordered)
        return Result(start, best, admin, tuple(dict.fromkeys([*self._world.missing, *self._world.doubts()])))

    def ask_anyway(self, start: str) -> Result:
        """Return what is reached after a cut: nothing, where the start itself is gone.

        Raises:
            BadInput: an object cannot be understood.
        """
        kind, name = parse(canonical(start))
        if kind != "ip" and not self._numbers(canonical(start), kind, name):
            return Result(canonical(start), (), None, tuple(self._world.missing), there=False)
        return self.ask(start)

    def to(self, start: str, target: str) -> list[Reached]:
        """Return the best way to one target, and others that do not need what the best one needs.

        Raises:
            BadInput: one of them is not there, or an object cannot be understood.
        """
        target = canonical(target)
        kind, name = parse(target)
        if kind != "ip" and not self._numbers(target, kind, name):
            return []
        found: list[Reached] = []
        bans = NOTHING_BANNED
        while len(found) <= ALTERNATIVES:
            way = next((row for row in self.ask(start, bans).reached if _means(row.entity, target)), None)
            if way is None or not way.path:
                break
            found.append(way)
            bans = _banning(bans, way)
        return found

    def _starts(self, start: str, kind: str, name: str) -> Sequence[int]:
        if kind == "ip":
            address = str(ipaddress.ip_address(name))
            pods = enumerate(self._world.members)
            return [n for n, pod in pods if address in pod.end.addresses and not pod.host_network]
        numbers = self._numbers(start, kind, name)
        if not numbers:
            raise BadInput(f"There is no {start} here.")
        return numbers

    def _numbers(self, entity: str, kind: str, name: str) -> Sequence[int]:
        """Return an entity's numbers: a workload's pods where it is called as one."""
        numbers = self._world.census.numbers(entity)
        if numbers or kind != "pod":
            return numbers
        names = {f"{name}[{one}]" for one in _OWNERS}
        return [n for n, member in enumerate(self._world.members) if member.owner in names]

    def _exposed(self, start: str, name: str) -> Iterator[Reached]:
        """Yield the pods that an address outside can connect to."""
        ways, members = self._world.ways, self._world.members
        address = ways.address(name)
        for number, granted in sorted(self._world.exposed.items()):
            answer = ways.admitted(number, address)
            if answer.allow or answer.unknown:
                certainty = Certainty.CONDITIONAL if answer.allow else Certainty.UNKNOWN
                words = ("what listens there has a flaw",)
                hop = Hop(Edge.EXPOSED_TO, start, f"pod/{members[number].name}", granted, words)
                yield Reached(hop.target, certainty, 1, (hop,))


_OWNERS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
)


def _means(entity: str, target: str) -> bool:
    """Return whether something that is reached is the target, or a range of addresses that holds it."""
    if entity == target:
        return True
    if not (entity.startswith("ip/") and target.startswith("ip/") and "-" in entity):
        return False
    first, _, last = entity.removeprefix("ip/").partition("-")
    address, low = ipaddress.ip_address(target.removeprefix("ip/")), ipaddress.ip_address(first)
    return address.version == low.version and int(low) <= int(address) <= int(ipaddress.ip_address(last))


def _banning(bans: Bans, way: Reached) -> Bans:
    """Return what must not be used either: what the first step needs that is more than being there."""
    hop = next((one for one in way.path if one.edge not in _GIVEN), way.path[0])
    if hop.granted.object.partition("/")[0].endswith("Binding"):
        return Bans(bans.bindings | {hop.granted.object}, bans.steps)
    return Bans(bans.bindings, bans.steps | {(hop.edge, hop.source, hop.target)})


_GIVEN = frozenset({Edge.RUNS_AS, Edge.TOKEN_FOR, Edge.MEMBER_OF})
