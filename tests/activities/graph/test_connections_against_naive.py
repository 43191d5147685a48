"""The engine against a naive evaluator that shares nothing with it, over random clusters."""

import ipaddress
import itertools
import random
from dataclasses import replace
from typing import Any

import pytest

from activities.graph.asking import Asking
from activities.graph.connections import Connections
from activities.graph.network import Network
from activities.graph.universe import HostNetwork
from tests.activities.graph.naive import Pod, World
from tests.activities.graph.policy_worlds import (
    OUTSIDE,
    PROBES,
    manifests,
    plain_peer,
    plain_policy,
    random_world,
    unsure_world,
)

SEEDS = range(30)
Open = set[tuple[str, str, str, int]]


def engine(world: World) -> Network:
    mode = HostNetwork.NODE if world.hosts_are_nodes else HostNetwork.POD
    return Network(manifests(world), world.namespaces, mode)


def end(other: Pod | str) -> str:
    return other if isinstance(other, str) else f"{other.namespace}/{other.name}[Pod]"


def expected(world: World) -> Open:
    everybody: list[Pod | str] = [*world.pods.values(), *OUTSIDE]
    return {
        (end(a), end(b), *probe)
        for a, b in itertools.permutations(everybody, 2)
        if isinstance(a, Pod) or isinstance(b, Pod)
        for probe in PROBES
        if world.allowed(a, b, *probe)
    }


def holding(name: str) -> list[str]:
    """Return the test's own names for an end: itself, or the addresses that a range holds."""
    if "[" in name:
        return [name]
    first, last = (ipaddress.ip_address(text) for text in name.split("-"))
    tried = [(text, ipaddress.ip_address(text)) for text in OUTSIDE]
    return [t for t, ip in tried if ip.version == first.version and int(first) <= int(ip) <= int(last)]


def told(network: Network) -> tuple[Open, Open]:
    """Return what is listed as open, and what as unknown, at the ports and addresses that are tried."""
    found: tuple[Open, Open] = (set(), set())
    for row in Connections(network).between():
        for place, ranges in enumerate((row.ports, row.unknown)):
            for a, b in itertools.product(holding(row.source), holding(row.destination)):
                for protocol, number in PROBES:
                    if any(p == protocol and low <= number <= high for p, low, high in ranges):
                        assert (a, b, protocol, number) not in found[place], "told twice"
                        found[place].add((a, b, protocol, number))
    return found


def opened(world: World) -> Open:
    return told(engine(world))[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hosts_are_nodes", [False, True])
@pytest.mark.parametrize("cluster_wide", [False, True])
def test_all_pairs_are_those_of_the_naive_evaluator(
    seed: int, cluster_wide: bool, hosts_are_nodes: bool
) -> None:
    world = random_world(seed, cluster_wide=cluster_wide, hosts_are_nodes=hosts_are_nodes)
    found, unknown = told(engine(world))
    assert found == expected(world)
    assert not unknown


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_unknown_turns_out_to_be_what_was_said_holds(seed: int) -> None:
    world = unsure_world(seed)
    found, unknown = told(engine(world))
    hosts = [pod.name for pod in world.pods.values() if pod.host]
    r = random.Random(seed)
    for nodes in ([], [*OUTSIDE, *hosts], r.sample(OUTSIDE, 4)):
        for policies in (world.policies, world.policies[::-1]):
            could_be = expected(replace(world, nodes=frozenset(nodes), policies=policies))
            assert found <= could_be <= found | unknown


@pytest.mark.parametrize("seed", SEEDS)
def test_single_answers_are_those_of_the_naive_evaluator_and_name_who_decided(seed: int) -> None:
    world = random_world(seed, cluster_wide=seed % 2 == 1)
    asking = Asking(engine(world))
    everybody: list[Pod | str] = [*world.pods.values(), *OUTSIDE[4:]]
    for a, b in itertools.permutations(everybody, 2):
        if isinstance(a, Pod) or isinstance(b, Pod):
            names = [one if isinstance(one, str) else f"{one.namespace}/{one.name}" for one in (a, b)]
            for probe in PROBES[1:5]:
                verdict = asking.ask(names[0], names[1], *probe)
                assert verdict.allowed is world.allowed(a, b, *probe)
                if verdict.allowed is False:
                    assert verdict.by, "a refusal has an author"


@pytest.mark.parametrize("seed", SEEDS)
def test_removing_the_author_of_a_refusal_changes_nothing_else_than_opening(seed: int) -> None:
    world = random_world(seed, cluster_wide=False)
    before = opened(world)
    pods = [*world.pods.values()]
    for a, b in itertools.permutations(pods, 2):
        verdict = Asking(engine(world)).ask(f"{a.namespace}/{a.name}", f"{b.namespace}/{b.name}", *PROBES[2])
        if verdict.allowed is False:
            authors = {reason.policy.name for _, reason in verdict.by}
            kept = [
                policy
                for policy in world.policies
                if f"{policy['metadata']['namespace']}/{policy['metadata']['name']}" not in authors
            ]
            after = opened(World(world.pods, world.namespaces, kept))
            assert (end(a), end(b), *PROBES[2]) not in before
            assert (end(a), end(b), *PROBES[2]) in after
            return


def with_policies(world: World, policies: list[dict[str, Any]]) -> World:
    return World(world.pods, world.namespaces, policies, world.hosts_are_nodes)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_rule_closes_nothing(seed: int) -> None:
    world = random_world(seed, cluster_wide=False)
    r = random.Random(seed)
    for policy in world.policies:
        for way, key in (("ingress", "from"), ("egress", "to")):
            if way in policy["spec"]:
                spec = {**policy["spec"], way: [*policy["spec"][way], {key: [plain_peer(r)]}]}
                spec.setdefault(
                    "policyTypes", ["Ingress", *(["Egress"] if policy["spec"].get("egress") else [])]
                )
                wider = [{**p, "spec": spec} if p is policy else p for p in world.policies]
                assert opened(world) <= opened(with_policies(world, wider))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_manifests_says_nothing(seed: int) -> None:
    world = random_world(seed, cluster_wide=True)
    objects = manifests(world)
    shuffled = random.Random(seed).sample(objects, len(objects))
    rows = [[*Connections(Network(some, world.namespaces)).between()] for some in (objects, shuffled)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_first_policy_opens_nothing(seed: int) -> None:
    world = random_world(seed, cluster_wide=False)
    first = [plain_policy(random.Random(seed), "first")]
    everything = opened(with_policies(world, []))
    assert opened(with_policies(world, first)) <= everything


@pytest.mark.parametrize("seed", SEEDS)
def test_an_end_asked_alone_gets_the_same_answer(seed: int) -> None:
    world = random_world(seed, cluster_wide=True)
    connections = Connections(engine(world))
    rows = [*connections.between()]
    for pod in world.pods.values():
        chosen = connections.choose(f"{pod.namespace}/{pod.name}")
        assert [*connections.between(chosen)] == [row for row in rows if row.source == end(pod)]
        assert [*connections.between(None, chosen)] == [row for row in rows if row.destination == end(pod)]
    for address in OUTSIDE:
        chosen = connections.choose(address)
        assert [*connections.between(chosen)] == [row for row in rows if address in holding(row.source)]
