"""Containment closes what it says and nothing else, in hundreds of random clusters, and comes off exactly."""

import random

import pytest

from activities import writing
from activities.actions import block_flow, isolate_pod
from activities.adapters.memory import MemoryCluster
from activities.ports import NETWORK_POLICIES, PODS, Manifest
from signals.receipts import Receipt
from signals.threats import Peer
from tests.activities.acting import CASE, action, entity, receipt
from tests.activities.worlds import OUTSIDE, PROBES, Connection, connections, policy, random_world, snapshot

WORLDS, PARTS = 320, 8


async def pods(cluster: MemoryCluster) -> dict[str, Manifest]:
    return {pod["metadata"]["name"]: pod for pod in await cluster.list(PODS)}


async def random_peer(cluster: MemoryCluster, r: random.Random, own: str) -> tuple[str, Peer]:
    there = await pods(cluster)
    other = r.choice([name for name in (*there, *OUTSIDE) if name != own])
    direction = r.choice(["Ingress", "Egress"])
    protocol, number = r.choice([("TCP", None), *PROBES])
    pod = entity(cluster, there[other]) if other in there else None
    address = "10.0.0." + other.removeprefix("pod-") if pod else other
    return other, Peer(address=address, port=number, protocol=protocol, direction=direction, pod=pod)


def cut_by(own: str, other: str, peer: Peer, connection: Connection) -> bool:
    source, destination, protocol, number = connection
    ends = (own, other) if peer.direction == "Egress" else (other, own)
    return (source, destination) == ends and (
        peer.port is None or (protocol, number) == (peer.protocol, peer.port)
    )


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_blocked_flow_is_closed_and_every_other_connection_is_as_before(part: int) -> None:
    for seed in range(part, WORLDS, PARTS):
        cluster, r = await random_world(seed)
        there = await pods(cluster)
        own = r.choice([*there])
        other, peer = await random_peer(cluster, r, own)
        before, bytes_before = await connections(cluster), await snapshot(cluster)
        plan = await block_flow.plan(
            cluster, action("block_flow", entity(cluster, there[own]), peer=peer), CASE
        )
        assert not plan.blocked, plan.blocked
        await writing.apply(cluster, plan)
        after = await connections(cluster)
        for connection, was in before.items():
            expected = was and not cut_by(own, other, peer, connection)
            assert after[connection] == expected, (seed, connection, peer)
        assert await block_flow.hold(cluster, receipt(cluster, plan)) == (), seed
        await writing.revert(cluster, plan)
        assert await snapshot(cluster) == bytes_before, seed


@pytest.mark.parametrize("part", range(PARTS))
async def test_an_isolated_pod_has_no_connection_and_every_other_pod_has_all_of_its_own(part: int) -> None:
    for seed in range(part, WORLDS, PARTS):
        cluster, r = await random_world(seed + 10_000)
        there = await pods(cluster)
        own = r.choice([*there])
        before, bytes_before = await connections(cluster), await snapshot(cluster)
        plan = await isolate_pod.plan(cluster, action("isolate_pod", entity(cluster, there[own])), CASE)
        await writing.apply(cluster, plan)
        after = await connections(cluster)
        for connection, was in before.items():
            assert after[connection] == (was and own not in connection[:2]), (seed, connection)
        assert await isolate_pod.hold(cluster, receipt(cluster, plan)) == (), seed
        await writing.revert(cluster, plan)
        assert await snapshot(cluster) == bytes_before, seed


@pytest.mark.parametrize("part", range(4))
async def test_two_blocks_and_an_isolation_stack_and_come_off_one_by_one(part: int) -> None:
    for seed in range(part, 80, 4):
        cluster, r = await random_world(seed + 20_000)
        there = await pods(cluster)
        own = r.choice([*there])
        target = entity(cluster, there[own])
        states = [(await connections(cluster), await snapshot(cluster))]
        plans = []
        for index in range(3):
            kind = isolate_pod.ACTION if index == 2 else block_flow.ACTION
            other, peer = await random_peer(cluster, r, own)
            plan = await kind.plan(cluster, action(kind.name, target, index=index, peer=peer), CASE)
            await writing.apply(cluster, plan)
            plans.append(plan)
            after = await connections(cluster)
            for connection, was in states[-1][0].items():
                cut = own in connection[:2] if index == 2 else cut_by(own, other, peer, connection)
                assert after[connection] == (was and not cut), (seed, index, connection)
            states.append((after, await snapshot(cluster)))
        for plan in reversed(plans):
            states.pop()
            await writing.revert(cluster, plan)
            assert await connections(cluster) == states[-1][0], (seed, plan.action.index)
            assert await snapshot(cluster) == states[-1][1], (seed, plan.action.index)


@pytest.mark.parametrize("part", range(4))
async def test_policies_that_change_meanwhile_are_obeyed_but_for_the_blocked_flows(part: int) -> None:
    """Two blocks stand; policies come and go. After a hold all else is as if we were not there."""
    for seed in range(part, 80, 4):
        cluster, r = await random_world(seed + 30_000)
        there = await pods(cluster)
        own = r.choice([*there])
        target = entity(cluster, there[own])
        receipts: list[Receipt] = []
        cuts: list[tuple[str, Peer]] = []
        for index in range(2):
            other, peer = await random_peer(cluster, r, own)
            plan = await block_flow.plan(cluster, action("block_flow", target, index=index, peer=peer), CASE)
            await writing.apply(cluster, plan)
            receipts.append(receipt(cluster, plan))
            cuts.append((other, peer))
        for number in range(3):
            theirs = await cluster.list(NETWORK_POLICIES, target.namespace, "!firebreak.dev/case")
            if theirs and r.random() < 0.4:
                gone = r.choice(theirs)["metadata"]["name"]
                await cluster.delete(NETWORK_POLICIES.ref(gone, target.namespace))
            else:
                made = policy(r, f"later-{number}")
                made["metadata"]["namespace"] = target.namespace
                await cluster.create(NETWORK_POLICIES.ref(f"later-{number}", target.namespace), made)
            for place, known in enumerate(receipts):
                missing = await block_flow.hold(cluster, known)
                longer = known.plan.model_copy(update={"writes": (*known.plan.writes, *missing)})
                receipts[place] = known.model_copy(update={"plan": longer})
                await writing.apply(cluster, longer.model_copy(update={"writes": missing}))
                assert await block_flow.hold(cluster, receipts[place]) == (), (seed, number, place)
        now = await connections(cluster)
        for known in reversed(receipts):
            await writing.revert(cluster, known.plan)
        left = await snapshot(cluster)
        assert "firebreak" not in str(left), seed
        for connection, open_without_us in (await connections(cluster)).items():
            cut = any(cut_by(own, other, peer, connection) for other, peer in cuts)
            assert now[connection] == (open_without_us and not cut), (seed, connection)
