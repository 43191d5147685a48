"""Where pods can connect to, for the walk: the API server, other pods, addresses outside; many sources at once."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.graph.edges import Certainty
from activities.graph.manifests import Located
from activities.graph.network import Network, both
from activities.graph.network_policy import Direction, Object
from activities.graph.port_space import PortRange
from activities.graph.selectors import members, union
from activities.graph.steps import Granted
from activities.graph.tiers import Tier
from activities.graph.verdicts import Answer, reasons
from activities.graph.workloads import naming

_USUAL_PORTS = (443, 6443)
"""Ports of API servers, where the objects do not say which."""
MOST_NAMED = 20
"""Policies that are named one by one because they are not modelled."""
_SERVICE = "kubernetes.io/service-name"
IMDS = "169.254.169.254"
"""Where clouds hand out the credentials of the node."""


class Server(NamedTuple):
    """One address of the API server, behind its service."""

    address: str
    port: int


class Path(NamedTuple):
    """Whether a pod can reach the API server; if not surely, why not, in words."""

    certainty: Certainty
    said: str = ""


class Met(NamedTuple):
    """Pods of some sources that may talk to others (bitsets of profiles), and on which ports."""

    sources: int
    targets: int
    answer: Answer


def servers(objects: Iterable[Located]) -> list[Server]:
    """Return the addresses of the API server: the endpoints of the service `default/kubernetes`.

    Raises:
        BadInput: an object cannot be understood; it is named by file and line.
    """
    found: list[Server] = []
    for one in objects:
        if one.object["metadata"].get("namespace") == "default":
            with naming(one):
                found += _serving(one.object)
    return sorted({*found})


def _serving(manifest: Object) -> Iterator[Server]:
    name, labels = manifest["metadata"]["name"], manifest["metadata"].get("labels") or {}
    if manifest["kind"] == "EndpointSlice" and "kubernetes" in (labels.get(_SERVICE), name):
        ends = manifest.get("endpoints") or ()
        addresses = [text for end in ends for text in end.get("addresses") or ()]
        yield from _all(addresses, manifest.get("ports") or ())
    elif manifest["kind"] == "Endpoints" and name == "kubernetes":
        for subset in manifest.get("subsets") or ():
            yield from _all(
                [end.get("ip") for end in subset.get("addresses") or ()], subset.get("ports") or ()
            )


def _all(addresses: Sequence[object], ports: Sequence[dict[str, object]]) -> Iterator[Server]:
    for address in addresses:
        for port in ports:
            number = port.get("port")
            if isinstance(address, str) and isinstance(number, int):
                try:
                    yield Server(str(ipaddress.ip_address(address)), number)
                except ValueError:
                    continue  # a name is no address that a policy could mean


class Ways:
    """All ways through one network."""

    def __init__(self, network: Network, found: Sequence[Server]) -> None:
        """Take the network, and where its API server is."""
        self.network = network
        self.servers = found
        self._universe = network.universe
        lists: list[list[int]] = [[] for _ in network.universe.profiles]
        for pod, profile in enumerate(network.universe.profile_of):
            lists[profile].append(pod)
        self._pods = lists
        self._leaving = list(network.classes("Egress"))
        self._entering = list(network.classes("Ingress"))

    def number(self, pod: int) -> int:
        """Return the number of a pod's profile: of all that policies can see of it."""
        return self._universe.profile_of[pod]

    def profile(self, pod: int) -> int:
        """Return the profile of a pod, as a bit."""
        return 1 << self.number(pod)

    def pods(self, profiles: int) -> list[int]:
        """Return the pods of some profiles."""
        return [pod for profile in members(profiles) for pod in self._pods[profile]]

    def api(self, pod: int) -> Path:
        """Return whether a pod can reach the API server."""
        profile = self._universe.profile_of[pod]
        verdicts = [*(self._to(profile, one) for one in self.servers)] or [self._somewhere(pod)]
        if True in verdicts:
            return Path(Certainty.DIRECT)
        if None in verdicts:
            why = self._named(profile) or "a policy"
            what = "is not modelled" if self.servers else "may deny it, and its address is not in the data"
            return Path(Certainty.UNKNOWN, f"needs a way to the API server: {why} {what}")
        why = self._named(profile)
        return Path(
            Certainty.CONDITIONAL,
            f"the token is used from outside of the pod: {why} denies the pod the way to the API server",
        )

    def _to(self, profile: int, server: Server) -> bool | None:
        port = self._universe.ports.bit("TCP", server.port)
        answer = self.network.answer("Egress", profile, self._universe.address(server.address))
        return True if answer.allow & port else None if answer.unknown & port else False

    def _somewhere(self, pod: int) -> bool | None:
        """Return what holds wherever the API server may be, in the families of addresses that the pod has."""
        own = self.network.members[pod].end.addresses
        families = {"::/0" if ":" in address else "0.0.0.0/0" for address in own} or {"0.0.0.0/0"}
        outside = union(map(self._universe.addresses, families))
        ports = [self._universe.ports.bit("TCP", port) for port in _USUAL_PORTS]
        parts = [
            answer
            for answer, held in self.network.answers("Egress", self._universe.profile_of[pod]).items()
            if held & outside
        ]
        said = {
            True if answer.allow & port else None if answer.unknown & port else False
            for answer in parts
            for port in ports
        }
        return said.pop() if len(said) == 1 else None

    def _named(self, profile: int) -> str:
        """Return the policies that have a say in what leaves a pod."""
        rulings = self.network.rulings("Egress", profile)
        names = list(dict.fromkeys(f"{one.policy.kind} {one.policy.name}" for one in rulings))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more

    def meet(self, sources: int, candidates: int) -> Iterator[Met]:
        """Yield which of the candidates some sources may talk to; who is both is not met."""
        entering = [
            (there, who, into)
            for held, answers in self._entering
            if (there := held & candidates)
            for into, who in answers.items()
            if who & sources and into.allow | into.unknown
        ]
        for held, answers in self._leaving:
            here = held & sources
            for out, met in answers.items() if here else ():
                if out.allow | out.unknown:
                    for there, who, into in entering:
                        if (
                            (meant := met & there)
                            and (from_ := who & here)
                            and (answer := both(out, into)) != (0, 0)
                        ):
                            yield Met(from_, meant, answer)

    def leaving(self, sources: int) -> Iterator[tuple[int, int, Answer]]:
        """Yield who of some sources may talk to which addresses outside, and how."""
        for held, answers in self._leaving:
            here = held & sources
            for out, met in answers.items() if here else ():
                there = met & self._universe.outside
                if there and out.allow | out.unknown:
                    yield here, there, out

    def outside(self, bits: int) -> list[str]:
        """Return addresses outside as ranges."""
        return [text for _, text in self._universe.ranges(bits)]

    def address(self, text: str) -> int:
        """Return the bits of an address, block or range outside.

        Raises:
            ValueError: it is none.
        """
        return self._universe.addresses(text)

    def opens(self, answer: Answer, port: int) -> bool:
        """Return whether an answer surely leaves a TCP port open."""
        return bool(answer.allow & self._universe.ports.bit("TCP", port))

    def doubts(self) -> Iterator[str]:
        """Yield what makes answers about the network unknown: what is not modelled, and not in the data."""
        strange = [one for one in self.network.policies if one.tier is Tier.UNMODELLED]
        for one in strange[:MOST_NAMED]:
            yield f"{one.kind} {one.name} is not modelled: what it does to connections is unknown"
        if len(strange) > MOST_NAMED:
            yield f"{len(strange) - MOST_NAMED} more policies are not modelled"
        if not self.servers and self.network.policies:
            yield "the addresses of the API server are not in the data: no EndpointSlice default/kubernetes is"

    def ports(self, bits: int) -> tuple[PortRange, ...]:
        """Return a set of ports as ranges."""
        return self._universe.ports.ranges(bits)

    def admitted(self, pod: int, address: int) -> Answer:
        """Return on which ports a pod lets an address in."""
        return self.network.answer("Ingress", self._universe.profile_of[pod], address & -address)

    def leave(self, source: int, target: int, policies: Mapping[str, Object]) -> Granted:
        """Return the policies that let one pod talk to another; nobody where no policy speaks."""
        said: dict[str, str] = {}
        ways: tuple[tuple[Direction, int, int], ...] = (
            ("Egress", source, target),
            ("Ingress", target, source),
        )
        for direction, pod, other in ways:
            rulings = self.network.rulings(direction, self._universe.profile_of[pod])
            for reason in reasons(rulings, self.profile(other), self._universe.ports.everything):
                rule = "no rule" if reason.rule is None else f"rule {reason.rule}"
                name = f"{reason.policy.kind} {reason.policy.name}"
                said.setdefault(name, f"{direction.lower()}: {name}, {rule}")
        if not said:
            return Granted("no policy", rule="everything is open where no policy speaks")
        first = next(iter(said))
        return Granted.by(first.replace(" ", "/", 1), policies.get(first), "; ".join(said.values()))
