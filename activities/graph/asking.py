"""One connection, and who says that it is open or not: policy and rule for each direction."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from activities.graph.network import Network
from activities.graph.network_policy import PROTOCOLS, Direction
from activities.graph.port_space import FIRST, LAST
from activities.graph.verdicts import Answer, Reason, reasons
from signals.errors import BadInput


@dataclass(frozen=True)
class Verdict:
    """Whether one connection is open (None: it cannot be said), and which policies decide it, by direction.

    Where no policy speaks, everything is open, and nobody is named.
    """

    allowed: bool | None
    by: tuple[tuple[Direction, Reason], ...] = ()


class _Stand(NamedTuple):
    """One end: a pod by its number and profile, or an address outside (both None)."""

    pod: int | None
    profile: int | None
    bit: int


class Asking:
    """Answers questions about single connections."""

    def __init__(self, network: Network) -> None:
        """Ask about this network."""
        self._network = network

    def ask(self, source: str, destination: str, protocol: str, port: int) -> Verdict:
        """Answer whether a connection is open; of an owner's pods, one that may talk is enough.

        An end is `namespace/name` of a pod or of an owner, or an address. The address of a pod means the pod.

        Raises:
            BadInput: an end or the port does not exist, or no end is a pod: no policy speaks about that.
        """
        if protocol not in PROTOCOLS or not FIRST <= port <= LAST:
            raise BadInput(f"{protocol} {port} is no port of {', '.join(PROTOCOLS)}")
        ends = product(self._stands(source), self._stands(destination))
        verdicts = [self._between(a, b, self._network.universe.ports.bit(protocol, port)) for a, b in ends]
        for wanted in (True, None):
            for verdict in verdicts:
                if verdict.allowed is wanted:
                    return verdict
        return verdicts[0]

    def _stands(self, end: str) -> list[_Stand]:
        numbers = self._network.find(end)
        universe = self._network.universe
        if numbers:
            return [_Stand(n, universe.profile_of[n], 1 << universe.profile_of[n]) for n in numbers]
        try:
            return [_Stand(None, None, universe.address(end))]
        except ValueError as error:
            raise BadInput(f"there is no pod, workload or address {end}") from error

    def _between(self, source: _Stand, destination: _Stand, port: int) -> Verdict:
        if source.pod is None and destination.pod is None:
            raise BadInput("neither end is a pod, and no policy speaks about that")
        if source.pod == destination.pod or self._network.on_one_node(source.bit, destination.bit):
            return Verdict(True)
        sides = list(self._sides(source, destination, port))
        closed = [by for answer, by in sides if not (answer.allow | answer.unknown) & port]
        unsure = [by for answer, by in sides if answer.unknown & port]
        told = closed or unsure or [by for _, by in sides]
        allowed = False if closed else None if unsure else True
        return Verdict(allowed, tuple(one for by in told for one in by))

    def _sides(
        self, source: _Stand, destination: _Stand, port: int
    ) -> Iterator[tuple[Answer, list[tuple[Direction, Reason]]]]:
        ways: tuple[tuple[Direction, _Stand, _Stand], ...] = (
            ("Egress", source, destination),
            ("Ingress", destination, source),
        )
        for direction, pod, other in ways:
            if pod.profile is not None:
                answer = self._network.answer(direction, pod.profile, other.bit)
                rulings = self._network.rulings(direction, pod.profile)
                yield answer, [(direction, reason) for reason in reasons(rulings, other.bit, port)]
