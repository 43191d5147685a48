"""The engine against an answer that is obviously right, and what must hold whatever the cluster is."""

import copy
import random
from itertools import pairwise
from typing import Any

import pytest

from activities.graph.cut import cut
from activities.graph.documents import Document
from activities.graph.edges import Edge
from activities.graph.reach import Reach
from activities.graph.universe import HostNetwork
from activities.graph.world import World
from tests.activities.graph import policy_worlds, reach_random
from tests.activities.graph.naive_reach import Naive
from tests.activities.graph.reach_worlds import (
    Manifest,
    bound,
    node,
    pod,
    policy,
    role,
    rule,
    snapshot,
    thing,
    tiers,
    world,
)

STARTS = (*reach_random.SUBJECTS[:9:2], "user/ann", "user/bob", "group/devs", "node/n1", "node/n2")
ORDER = ("direct", "conditional", "unknown")
SEEDS = range(40)
NETWORK = ("NET_REACH", "PORT_FORWARD", "EGRESS", "API_PATH")


def held(reach: Reach, start: str) -> dict[str, str]:
    """Return what the engine holds, leaving out what can only be connected to."""
    result = reach.ask(start)
    found = {
        row.entity: str(row.certainty) for row in result.reached if row.path[-1].edge.value not in NETWORK
    }
    if result.cluster_admin:
        found["cluster-admin"] = str(result.cluster_admin.certainty)
    return found


def starts(objects: list[Manifest]) -> list[str]:
    pods = [
        f"pod/{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in objects
        if one["kind"] == "Pod"
    ]
    return [*STARTS, *pods]


@pytest.mark.parametrize("roles", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_engine_agrees_with_the_naive_answer(seed: int, roles: bool) -> None:
    objects = reach_random.objects(seed, roles=roles)
    naive = Naive(objects)
    reach = Reach(
        world(*objects, extra=[one for one in STARTS if one.startswith(("user/", "group/"))], version=(1, 36))
    )
    naive.users |= {one for one in STARTS if one.startswith("user/")}
    naive.groups |= {one for one in STARTS if one.startswith("group/")}
    for start in starts(objects):
        expected = {one: tier for one, tier in naive.reach(start).items() if one != start}
        found = {one: tier for one, tier in held(reach, start).items() if one != start}
        assert {k: v for k, v in found.items() if v == "direct"} == expected, (seed, start)


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_every_way_is_one_whole_chain_of_steps(seed: int) -> None:
    objects = reach_random.objects(seed)
    reach = Reach(world(*objects))
    for start in starts(objects)[5:]:
        if start.partition("/")[0] in ("user", "group"):
            continue
        for row in reach.ask(start).reached:
            ends = [(hop.source, hop.target) for hop in row.path]
            assert row.hops == len(row.path)
            assert (ends[0][0], ends[-1][1]) == (start, row.entity)
            assert all(a[1] == b[0] for a, b in pairwise(ends))
            assert all(hop.granted.object for hop in row.path)


def better(new: dict[str, str], old: dict[str, str]) -> bool:
    """Return whether all that was reached still is, at least as surely."""
    return all(one in new and ORDER.index(new[one]) <= ORDER.index(tier) for one, tier in old.items())


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_one_more_binding_never_takes_anything_away(seed: int) -> None:
    objects = reach_random.objects(seed)
    more = [
        role("more", rule("get create patch", "pods secrets pods/exec serviceaccounts/token"), namespace=""),
        bound("more", "ClusterRole/more", random.Random(seed).choice(reach_random.SUBJECTS), namespace="a"),
    ]
    before, after = Reach(world(*objects)), Reach(world(*objects, *more))
    for start in [one for one in starts(objects) if not one.startswith(("user/", "group/"))]:
        assert better(tiers(after.ask(start)), tiers(before.ask(start))), (seed, start)


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_a_policy_that_denies_never_adds_anything(seed: int) -> None:
    objects = reach_random.objects(seed)
    deny = policy(
        "deny", {}, random.Random(seed).choice(reach_random.PLACES), policyTypes=["Ingress", "Egress"]
    )
    before, after = Reach(world(*objects)), Reach(world(*objects, deny))
    for start in [one for one in starts(objects) if not one.startswith(("user/", "group/"))]:
        assert better(tiers(before.ask(start)), tiers(after.ask(start))), (seed, start)


def renamed(value: Any) -> Any:
    """Return an object with its namespaces called otherwise, wherever they stand."""
    swap = {"a": "zeta", "b": "mu", "c": "alpha"}
    if isinstance(value, dict):
        return {key: swap.get(one, one) if key == "namespace" else renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return value.replace("serviceaccounts:b", "serviceaccounts:mu") if isinstance(value, str) else value


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_other_names_of_namespaces_change_the_names_alone(seed: int) -> None:
    objects = reach_random.objects(seed)
    others = [renamed(one) for one in copy.deepcopy(objects)]
    for one in others:
        if one["kind"] == "Namespace":
            one["metadata"]["name"] = {"a": "zeta", "b": "mu", "c": "alpha"}[one["metadata"]["name"]]
    before, after = Reach(world(*objects)), Reach(world(*others))
    entity = {"a": "zeta", "b": "mu", "c": "alpha"}

    def told(name: str) -> str:
        kind, *rest = name.split("/")
        rest = [entity.get(rest[0], rest[0]), *rest[1:]] if kind in ("pod", "sa", "secret") else rest
        return "/".join((kind, *rest)).replace("serviceaccounts:b", "serviceaccounts:mu")

    for start in [one for one in starts(objects) if one.startswith(("pod/", "sa/", "node/"))]:
        assert tiers(after.ask(told(start))) == {told(one): t for one, t in tiers(before.ask(start)).items()}


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_what_is_cut_and_put_back_leaves_everything_as_it_was(seed: int) -> None:
    objects = reach_random.objects(seed)
    whole = snapshot(objects)
    gone = next(one for one in reversed(objects) if "Binding" in one["kind"])
    without = cut(whole, [Document({**gone, "$patch": "delete"}, "cut", 1)]).snapshot
    back = cut(without, [Document(gone, "cut", 1)]).snapshot
    reaches = [Reach(World(one)) for one in (whole, without, back)]
    for start in [one for one in starts(objects) if one.startswith(("pod/", "sa/", "node/"))]:
        first, less, again = (tiers(reach.ask(start)) for reach in reaches)
        assert again == first
        assert better(first, less)


def test_the_order_of_the_objects_does_not_matter() -> None:
    for seed in SEEDS[::12]:
        objects = reach_random.objects(seed)
        shuffled = random.Random(seed).sample(objects, len(objects))
        one, other = Reach(world(*objects)), Reach(world(*shuffled))
        for start in starts(objects)[:5]:
            assert tiers(one.ask(start)) == tiers(other.ask(start))


def test_other_nodes_and_pods_change_nothing_for_those_that_they_do_not_meet() -> None:
    far = [node("far"), pod("far", "far", nodeName="far", automountServiceAccountToken=False)]
    for seed in SEEDS[::12]:
        objects = reach_random.objects(seed)
        before, after = Reach(world(*objects)), Reach(world(*objects, *far))
        for start in [one for one in starts(objects) if one.startswith("sa/")]:
            assert better(tiers(after.ask(start)), tiers(before.ask(start)))


@pytest.mark.parametrize("cluster_wide", [False, True])
@pytest.mark.parametrize("seed", SEEDS[:20])
def test_what_can_be_connected_to_agrees_pair_by_pair(seed: int, cluster_wide: bool) -> None:
    """Every pair of pods is asked of the naive evaluator, and so is each pod's way to the API server."""
    given = policy_worlds.random_world(seed, cluster_wide=cluster_wide)
    places = [thing("v1", "Namespace", name, labels=labels) for name, labels in given.namespaces.items()]
    ends = {"endpoints": [{"addresses": [API]}], "ports": [{"port": 80}]}
    server = thing("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", "default", **ends)
    objects = [*policy_worlds.manifests(given), *places, server]
    reach = Reach(world(*objects, host_network=HostNetwork.POD))
    for pod_ in given.pods.values():
        result = reach.ask(f"pod/{pod_.namespace}/{pod_.name}")
        met = {row.entity for row in result.reached if row.path[-1].edge is Edge.NET_REACH}
        assert met == {
            f"pod/{other.namespace}/{other.name}"
            for other in given.pods.values()
            if other is not pod_ and any(given.allowed(pod_, other, *probe) for probe in policy_worlds.PROBES)
        }, (seed, pod_)
        account = f"sa/{pod_.namespace}/default"
        direct_ = tiers(result, "sa")[account] == "direct"
        assert direct_ is given.allowed(pod_, API, "TCP", 80), (seed, pod_)


API = "203.0.113.7"
