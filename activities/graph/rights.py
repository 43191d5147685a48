"""What a role leads to, in the scope of its binding: steps that need one right only.

Computed once for each role and scope, however many hold it.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from activities.graph.capabilities import CLUSTER_ONLY, Cap, Names, capabilities
from activities.graph.census import Census
from activities.graph.edges import MEANINGS, Certainty, Edge
from activities.graph.roles import Role
from activities.graph.targets import Targets, joined, without

EVERYWHERE, NAMESPACES = "", "*"
"""Scopes besides a namespace: the cluster with all that is in it, and all its namespaces without it."""
Version = tuple[int, int] | None
"""Major and minor version of the API server, where it is known."""
_GET_ENOUGH_BEFORE = (1, 35)
_OLDER = "the API server is older than 1.35, where `get` is enough for this"

_SIMPLE: tuple[tuple[Cap, Edge, str], ...] = (
    (Cap.EXEC, Edge.POD_EXEC, "pod"),
    (Cap.ATTACH, Edge.POD_ATTACH, "pod"),
    (Cap.EPHEMERAL, Edge.EPHEMERAL, "pod"),
    (Cap.POD_PATCH, Edge.WORKLOAD_PATCH, "pod"),
    (Cap.SECRET_READ, Edge.SECRET_READ, "secret"),
    (Cap.TOKEN, Edge.TOKEN_REQUEST, "sa"),
    (Cap.AS_ACCOUNT, Edge.IMPERSONATE, "sa"),
    (Cap.AS_USER, Edge.IMPERSONATE, "user"),
)
_BY_GET: tuple[tuple[Cap, Cap, Edge], ...] = (
    (Cap.EXEC, Cap.EXEC_GET, Edge.POD_EXEC),
    (Cap.ATTACH, Cap.ATTACH_GET, Edge.POD_ATTACH),
)
CONTROLLERS: Mapping[Cap, str] = MappingProxyType(
    {
        Cap.DEPLOYMENT: "Deployment",
        Cap.DAEMON_SET: "DaemonSet",
        Cap.STATEFUL_SET: "StatefulSet",
        Cap.REPLICA_SET: "ReplicaSet",
        Cap.REPLICATION_CONTROLLER: "ReplicationController",
        Cap.CRON_JOB: "CronJob",
    }
)
"""Controllers whose template can be changed; that of a Job cannot."""


class Right(NamedTuple):
    """A step that one role makes possible in one scope, and by which of its rights."""

    edge: Edge
    targets: Targets
    cap: Cap
    certainty: Certainty
    conditions: tuple[str, ...] = ()


class Rights:
    """All roles of one cluster, and what each leads to."""

    def __init__(self, census: Census, controllers: Iterable[tuple[str, str, str]], version: Version) -> None:
        """Take who is there, and the controllers as (kind, namespace, name)."""
        self._census = census
        self._version = version
        self._controllers: dict[str, list[tuple[str, str]]] = {}
        for kind, namespace, name in controllers:
            self._controllers.setdefault(kind, []).append((namespace, name))
        self._caps: dict[int, Mapping[Cap, Names]] = {}
        self._rights: dict[tuple[str, int], tuple[Right, ...]] = {}
        self._kept: list[Role] = []
        self._given: dict[str, Targets] = {}

    def caps(self, role: Role) -> Mapping[Cap, Names]:
        """Return the rights of a role."""
        if id(role) not in self._caps:
            self._kept.append(role)  # ids are only taken for as long as the role lives
            self._caps[id(role)] = capabilities(role)
        return self._caps[id(role)]

    def of(self, role: Role, scope: str) -> tuple[Right, ...]:
        """Return the steps that a role makes possible in a scope."""
        key = (scope, id(role))
        if key not in self._rights:
            caps = self.caps(role)
            if scope != EVERYWHERE:
                caps = {cap: names for cap, names in caps.items() if cap not in CLUSTER_ONLY}
            found = [*self._simple(caps, scope), *self._by_get(caps, scope), *self._forward(caps, scope)]
            found += [*self._making(caps, scope), *self._changing(caps, scope), *self._nodes(caps)]
            self._rights[key] = tuple(one for one in found if one.targets)
        return self._rights[key]

    def _simple(self, caps: Mapping[Cap, Names], scope: str) -> Iterator[Right]:
        for cap, edge, kind in _SIMPLE:
            if cap in caps:
                yield _right(edge, self._census.within(kind, scope, caps[cap]), cap)

    def _by_get(self, caps: Mapping[Cap, Names], scope: str) -> Iterator[Right]:
        for cap, get, edge in _BY_GET:
            if get in caps and not (self._version and self._version >= _GET_ENOUGH_BEFORE):
                targets = self._census.within("pod", scope, caps[get])
                if cap in caps:
                    targets = without(targets, self._census.within("pod", scope, caps[cap]))
                yield _right(edge, targets, get, *(() if self._version else (_OLDER,)))

    def _forward(self, caps: Mapping[Cap, Names], scope: str) -> Iterator[Right]:
        flaw = "control of the pod needs a flaw in what listens there"
        if Cap.FORWARD in caps:
            yield _right(
                Edge.PORT_FORWARD, self._census.within("pod", scope, caps[Cap.FORWARD]), Cap.FORWARD, flaw
            )
        if Cap.FORWARD_GET in caps and not (self._version and self._version >= _GET_ENOUGH_BEFORE):
            targets = self._census.within("pod", scope, caps[Cap.FORWARD_GET])
            conditions = (flaw,) if self._version else (flaw, _OLDER)
            yield _right(Edge.PORT_FORWARD, targets, Cap.FORWARD_GET, *conditions)

    def _making(self, caps: Mapping[Cap, Names], scope: str) -> Iterator[Right]:
        if Cap.POD_CREATE in caps:
            yield _right(Edge.POD_CREATE, self.given(scope), Cap.POD_CREATE)
            if self._census.permissive(scope):
                yield _right(Edge.POD_CREATE_ESCAPE, self._census.whole["node"], Cap.POD_CREATE)

    def given(self, scope: str) -> Targets:
        """Return the accounts and secrets that a new pod in a scope can have."""
        if scope not in self._given:
            kinds = ("sa", "secret")
            self._given[scope] = joined(self._census.within(kind, scope, None) for kind in kinds)
        return self._given[scope]

    def _changing(self, caps: Mapping[Cap, Names], scope: str) -> Iterator[Right]:
        for cap, kind in CONTROLLERS.items():
            if cap in caps:
                names = caps[cap]
                met = [
                    (namespace, name)
                    for namespace, name in self._controllers.get(kind, ())
                    if scope in (EVERYWHERE, NAMESPACES, namespace) and (names is None or name in names)
                ]
                owned = [self._census.owned.get(f"{place}/{name}[{kind}]", ()) for place, name in met]
                places = sorted({namespace for namespace, _ in met})
                yield _right(Edge.WORKLOAD_PATCH, joined([*owned, *map(self.given, places)]), cap)
                if any(map(self._census.permissive, places)):
                    yield _right(Edge.POD_CREATE_ESCAPE, self._census.whole["node"], cap)

    def _nodes(self, caps: Mapping[Cap, Names]) -> Iterator[Right]:
        if Cap.EVERYTHING in caps:
            yield _right(Edge.CLUSTER_ADMIN, (self._census.admin,), Cap.EVERYTHING)
        if Cap.NODE_PROXY in caps:
            names = caps[Cap.NODE_PROXY]
            on = self._census.on_node
            yield _right(
                Edge.NODE_PROXY,
                joined(on.get(name, ()) for name in (on if names is None else sorted(names))),
                Cap.NODE_PROXY,
            )
        if Cap.WEBHOOKS in caps:
            condition = "a webhook of the attacker's is called for what others write"
            yield _right(Edge.ADMISSION_CONTROL, (self._census.admin,), Cap.WEBHOOKS, condition)


def _right(edge: Edge, targets: Targets, cap: Cap, *conditions: str) -> Right:
    certainty = Certainty.CONDITIONAL if conditions else MEANINGS[edge].certainty
    return Right(edge, targets, cap, certainty, conditions)
