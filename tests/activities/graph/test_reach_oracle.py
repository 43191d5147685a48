"""The rights that reach relies on, against the real API server: each step of each identity is asked there."""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from activities.graph.edges import Edge
from activities.graph.identities import Who
from activities.graph.rbac import Request
from activities.graph.sources import Sources
from activities.graph.targets import listed
from activities.graph.world import World
from tests.activities.graph import reach_random
from tests.activities.graph.reach_worlds import Manifest, bound, role, rule, world
from tests.activities.graph.test_rbac_oracle import BASE, MARK, PLURALS, Server, eventually
from tests.control_plane import ControlPlane

pytestmark = pytest.mark.stack

QUESTIONS = 700
MAKING = (
    ("", "pods"),
    ("", "replicationcontrollers"),
    *(("apps", plural) for plural in ("deployments", "daemonsets", "statefulsets", "replicasets")),
    *(("batch", plural) for plural in ("jobs", "cronjobs")),
)
CHANGING = {
    "Deployment": ("apps", "deployments"),
    "DaemonSet": ("apps", "daemonsets"),
}


class Asked(NamedTuple):
    """One step of one identity, and the requests of which any is enough."""

    identity: str
    edge: Edge
    target: str
    requests: tuple[Request, ...]


@pytest.fixture
def server(control_plane: ControlPlane) -> Iterator[Server]:
    with closing(Server(control_plane)) as server:
        for place in reach_random.PLACES:
            server.call("POST", "/api/v1/namespaces", {"metadata": {"name": place}})
        yield server
        _clear(server)


def build(server: Server, objects: list[Manifest]) -> None:
    """Write the roles and bindings of a world, and wait until the last one is in force."""
    last = [role("oracle-last", rule("get", "configmaps"), namespace="")]
    last.append(bound("oracle-last", "ClusterRole/oracle-last", "user/oracle-last", namespace=""))
    for one in [*objects, *last]:
        if one["kind"] in PLURALS:
            kept = {key: one["metadata"][key] for key in ("name", "namespace") if key in one["metadata"]}
            server.create({**one, "metadata": kept})
    asked = Request(verb="get", resource="configmaps")
    eventually(lambda: server.allows(Who("oracle-last", ()), asked))


def taken(made: World, identity: int) -> set[tuple[Edge, str]]:
    """Return each single step that the engine would take from an identity by one role."""
    names = made.census.names
    return {
        (right.edge, names[target])
        for one in Sources(made).held(identity, frozenset())
        for right in made.rights.of(one.role, one.scope)
        for target in listed(right.targets)
    }


def _any(verbs: str, resource: str, place: str, name: str, group: str = "") -> tuple[Request, ...]:
    plural, _, below = resource.partition("/")
    return tuple(
        Request(verb=verb, group=group, resource=plural, subresource=below, namespace=place, name=name)
        for verb in verbs.split()
    )


def questions(made: World, objects: list[Manifest], identity: str) -> Iterator[Asked]:
    """Yield every step that an identity could take, whether it can or not."""
    census = made.census
    making = {
        place: tuple(one for group, plural in MAKING for one in _any("create", plural, place, "", group))
        for place in reach_random.PLACES
    }
    changing = {
        place: tuple(
            request
            for one in objects
            if one["kind"] in CHANGING and one["metadata"]["namespace"] == place
            for group, plural in [CHANGING[one["kind"]]]
            for request in _any("update patch", plural, place, one["metadata"]["name"], group)
        )
        for place in reach_random.PLACES
    }
    for number in census.kinds["pod"]:
        target, node = census.names[number], census.members[number].node or ""
        _, place, name = target.split("/")
        for edge, verbs, resource in (
            (Edge.POD_EXEC, "create", "pods/exec"),
            (Edge.POD_ATTACH, "create", "pods/attach"),
            (Edge.EPHEMERAL, "update patch", "pods/ephemeralcontainers"),
        ):
            yield Asked(identity, edge, target, _any(verbs, resource, place, name))
        yield Asked(identity, Edge.WORKLOAD_PATCH, target, _any("update patch", "pods", place, name))
        yield Asked(identity, Edge.NODE_PROXY, target, _any("get create", "nodes/proxy", "", node))
    for kind, verbs, resource, edge in (
        ("secret", "get list watch", "secrets", Edge.SECRET_READ),
        ("sa", "create", "serviceaccounts/token", Edge.TOKEN_REQUEST),
        ("sa", "impersonate", "serviceaccounts", Edge.IMPERSONATE),
    ):
        for number in census.kinds[kind]:
            target = census.names[number]
            _, place, name = target.split("/")
            yield Asked(identity, edge, target, _any(verbs, resource, place, name))
            yield Asked(identity, Edge.POD_CREATE, target, making[place])
            yield Asked(identity, Edge.WORKLOAD_PATCH, target, changing[place])
    for number in census.kinds["user"]:
        target = census.names[number]
        yield Asked(
            identity, Edge.IMPERSONATE, target, _any("impersonate", "users", "", target.removeprefix("user/"))
        )
    everything = Request(verb="*", group="*", resource="*")
    yield Asked(identity, Edge.CLUSTER_ADMIN, "cluster-admin", (everything,))


def test_every_step_by_a_right_is_one_that_the_api_server_allows(
    server: Server, request: pytest.FixtureRequest
) -> None:
    for _ in range(request.config.getoption("--oracle-worlds")):
        seed = random.getrandbits(32)
        sys.stdout.write(f"seed {seed}\n")
        objects = reach_random.objects(seed)
        build(server, objects)
        made = world(*objects, version=(1, 36))
        who = {made.census.names[n]: n for kind in ("sa", "user", "group") for n in made.census.kinds[kind]}
        # What the Node authorizer adds for kubelets is no rule of RBAC's.
        who = {name: n for name, n in who.items() if not name.startswith("user/system:node:")}
        asked = [one for identity in who for one in questions(made, objects, identity)]
        steps = {identity: taken(made, number) for identity, number in who.items()}
        answers = Counter[bool]()
        for one in _sample(random.Random(seed), asked, steps):
            ours = (one.edge, one.target) in steps[one.identity]
            theirs = any(
                server.allows(made.census.who(who[one.identity]), request) for request in one.requests
            )
            answers[ours] += 1
            assert ours == theirs, (seed, one, ours, theirs)
        assert answers[False], seed
        _clear(server)


def _sample(dice: random.Random, asked: list[Asked], steps: dict[str, Any]) -> list[Asked]:
    """Return questions of which as many are yes as no, where there are so many."""
    yes = [one for one in asked if (one.edge, one.target) in steps[one.identity]]
    no = [one for one in asked if (one.edge, one.target) not in steps[one.identity]]
    chosen = [dice.sample(some, min(len(some), QUESTIONS // 2)) for some in (yes, no)]
    return [*chosen[0], *chosen[1]]


def _clear(server: Server) -> None:
    for plural in ("clusterrolebindings", "clusterroles"):
        server.call("DELETE", f"{BASE}/{plural}?labelSelector={MARK}")
    for place in reach_random.PLACES:
        for plural in ("rolebindings", "roles"):
            server.call("DELETE", f"{BASE}/namespaces/{place}/{plural}?labelSelector={MARK}")
