"""A hundred decoys: the breaker holds, people get one page and one decision, and nobody else pays for it."""

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.ports import NETWORK_POLICIES, PODS
from signals.approvals import Answer, Approval, Verb
from signals.entities import Entity
from signals.errors import Refused
from signals.groups import digest, waiting_in
from signals.incidents import Incident, IncidentState
from signals.pages import PageKind
from signals.threats import ThreatEvent
from tests.workflows.world import CLUSTER, Bucket, Place, World, settled
from workers.cli.ledger import Ledger
from workers.grouping import Grouping
from workers.passing import pass_on

pytestmark = pytest.mark.asyncio(loop_scope="session")

Handle = WorkflowHandle[Any, Any]


async def decoy(world: World, place: Place, number: int) -> ThreatEvent:
    """Return an alert about one more workload's pod in a place."""
    owner = {"uid": uuid.uuid4().hex, "controller": True, "kind": "ReplicaSet", "name": f"decoy-{number}"}
    manifest = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"labels": {"app": "decoy"}, "ownerReferences": [owner]},
        "spec": {"nodeName": "n1", "containers": [{"name": "decoy", "image": "decoy:1"}]},
    }
    name = f"decoy-{number}"
    pod = await world.cluster.create(PODS.ref(name, place.namespace), manifest)
    subject = Entity(
        cluster=CLUSTER, kind="Pod", namespace=place.namespace, name=name, uid=pod["metadata"]["uid"]
    )
    return world.event(place, subject=subject)


async def crowd(world: World, count: int) -> tuple[Place, list[Handle]]:
    """Open an incident for each of so many workloads of one namespace, at the same time."""
    place = await world.place()
    events = [await decoy(world, place, number) for number in range(count)]
    handles = await asyncio.gather(*(world.open(event) for event in events))
    return place, list(handles)


async def decided(world: World, handles: list[Handle]) -> list[Incident]:
    """Return incidents once each is contained or waits."""
    return list(
        await asyncio.gather(
            *(
                world.until(handle, lambda i: settled(i) or i.summary.waiting_for is not None, 60)
                for handle in handles
            )
        )
    )


def grouping(world: World, bucket: Bucket) -> Grouping:
    """Return the liaison's hands, with a memory of their own."""

    async def sealed(approval: Approval) -> Answer:
        return await pass_on(world.client, world.liaison.seal(approval))

    return Grouping(world.client, bucket, sealed)


def command(world: World, seen: str, verb: Verb = Verb.APPROVE) -> Approval:
    return Approval(
        id=uuid.uuid4().hex,
        cluster=CLUSTER,
        verb=verb,
        actor="ann",
        plan_hash=seen,
        said_at=world.clock.now(),
    )


async def listed(world: World, place: Place, group: str, count: int) -> str:
    """Return the hash of a group once the list of incidents shows so many in it."""
    ledger = Ledger(world.client)
    async with asyncio.timeout(20):
        while True:
            members = waiting_in(group, await ledger.summaries(place.namespace))
            if len(members) == count:
                return digest(members)
            await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("decoys", [50, pytest.param(100, marks=pytest.mark.slow)])
async def test_decoys_are_one_page_and_one_decision_and_a_victim_elsewhere_is_isolated(
    world: World, decoys: int
) -> None:
    allowed = decoys // 5
    place, handles = await crowd(world, decoys)
    elsewhere = await world.place()
    victim = await world.open(world.event(elsewhere))
    assert (await world.until(victim, settled, 60)).summary.state is IncidentState.CONTAINED

    incidents = await decided(world, handles)
    waiting = [one.summary.waiting_for for one in incidents if one.summary.waiting_for]
    assert len(waiting) == decoys - allowed
    (group,) = {asked.group for asked in waiting}
    assert group.startswith(f"breaker/{place.namespace}/")
    assert len(await world.cluster.list(NETWORK_POLICIES, place.namespace)) == allowed + 1

    asking = [page for page in world.pages.sent if page.facts.get("group") == group]
    assert [page.kind for page in asking] == [PageKind.APPROVAL]
    assert f"firebreak approve --group {group}" in asking[0].text
    assert f"the breaker allows {allowed}" in asking[0].title

    seen = await listed(world, place, group, decoys - allowed)
    hands = grouping(world, Bucket())
    answer = await hands.answer(command(world, seen, Verb.REJECT), group)
    assert answer.accepted, answer
    assert answer.message == f"rejected {len(waiting)} of {len(waiting)} incidents"
    assert len(await world.cluster.list(NETWORK_POLICIES, place.namespace)) == allowed + 1


async def test_who_came_meanwhile_is_not_approved_unseen_and_the_rest_once_it_was_seen(world: World) -> None:
    place, handles = await crowd(world, 6)
    incidents = await decided(world, handles)
    (group,) = {one.summary.waiting_for.group for one in incidents if one.summary.waiting_for}
    seen = await listed(world, place, group, 3)
    late = await world.open(await decoy(world, place, 6))
    handles.append(late)
    await world.until(late, lambda i: i.summary.waiting_for is not None)
    now = await listed(world, place, group, 4)

    bucket = Bucket()
    unseen = await grouping(world, bucket).answer(command(world, seen), group)
    assert (unseen.accepted, "4 incidents wait" in unseen.message) == (False, True)
    assert len(await world.cluster.list(NETWORK_POLICIES, place.namespace)) == 3 + 1

    said = command(world, now)
    answer = await grouping(world, bucket).answer(said, group)
    assert answer.message == "approved 4 of 4 incidents"
    for incident in await decided(world, handles):
        assert incident.summary.state is IncidentState.CONTAINED
    # The liaison was restarted before it could write the answer down: the same command says the same.
    assert await grouping(world, bucket).answer(said, group) == answer
    gone = await grouping(world, Bucket()).answer(command(world, now), group)
    assert (gone.accepted, gone.message) == (False, f"nothing waits in {group} (any more)")


async def test_a_storm_of_decoys_asks_once_and_a_victim_elsewhere_is_isolated(world: World) -> None:
    place = await world.place()
    storm = await world.open(*[await decoy(world, place, number) for number in range(30)])
    elsewhere = await world.place()
    victim = await world.open(world.event(elsewhere))
    assert (await world.until(victim, settled)).summary.state is IncidentState.CONTAINED
    asked = (await world.until(storm, lambda i: i.summary.waiting_for is not None)).summary.waiting_for
    assert asked
    assert (len(asked.target_uids), asked.group.split("/")[0]) == (30, "breaker")


async def test_only_an_answer_can_be_given_to_a_group(world: World) -> None:
    with pytest.raises(Refused, match="needs an incident"):
        await grouping(world, Bucket()).answer(command(world, "", Verb.UNDO), "breaker/shop/2026-05-04T12")
