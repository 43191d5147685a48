"""What silence and the clock do, on a real Temporal server that skips time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError

from signals.approvals import Verb
from signals.incidents import Incident, IncidentState, WaitingFor
from signals.pages import PageKind
from signals.receipts import ActionState
from signals.subjects import remediation_id
from signals.threats import Mode, Peer
from tests.workflows.world import Place, World, essence, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]

PEER = Peer(address="203.0.113.7", port=443)
BLOCK = timedelta(hours=4)
ISOLATION = timedelta(hours=24)
ASKED_BEFORE = timedelta(minutes=15)
A_LITTLE = timedelta(seconds=5)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def now(world: World) -> AsyncIterator[None]:
    """Set the executor's clock back to now after each test."""
    yield
    world.clock.ahead = timedelta()


def owner(world: World, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """Return the workflow that owns an incident's stack."""
    return world.client.get_workflow_handle(remediation_id(handle.id))


async def passes(world: World, handle: WorkflowHandle[Any, Any], time: timedelta) -> None:
    """Let time pass: for one workflow, and for the executor that it asks."""
    world.clock.ahead += time
    await world.environment.fast_forward(handle, time)


async def untouched(world: World, place: Place) -> None:
    """Check that everything is as it was, byte for byte."""
    pod, _, policies = await world.standing(place)
    assert essence(pod) == essence(place.pod)
    assert [essence(policy) for policy in policies] == [essence(place.policy)]


def asked(incident: Incident) -> WaitingFor:
    """Return the question that waits."""
    assert incident.summary.waiting_for
    return incident.summary.waiting_for


async def test_a_blocked_flow_is_put_back_when_its_time_is_up(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.7, peer=PEER))
    await world.until(handle, settled)
    await passes(world, owner(world, handle), BLOCK - 12 * A_LITTLE)
    assert len((await world.standing(place))[2]) == 2
    await passes(world, owner(world, handle), 13 * A_LITTLE)
    undone = await world.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    assert {receipt.state for receipt in undone.receipts} == {ActionState.REVERTED}
    await untouched(world, place)
    await owner(world, handle).result()
    assert PageKind.EXPIRY in {page.kind for page in world.pages.about(handle.id)}


async def test_an_isolation_asks_and_silence_extends_it_so_often_and_no_more(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place), extensions=world.policy.extensions)
    before = await world.until(handle, settled)
    for left in reversed(range(world.policy.extensions + 1)):
        until = before.receipts[0].expires_at
        assert until
        await passes(world, owner(world, handle), ISOLATION - ASKED_BEFORE + A_LITTLE)
        waiting = asked(await world.until(handle, lambda one: one.summary.waiting_for is not None))
        assert (waiting.kind, waiting.deadline) == ("release the containment", until)
        assert len((await world.standing(place))[2]) == 2
        await passes(world, owner(world, handle), ASKED_BEFORE)
        before = await world.until(handle, lambda one: one.summary.waiting_for is None)
        if left:
            assert before.receipts[0].expires_at == until + ISOLATION
    await world.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    await untouched(world, place)


@pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.REJECT])
async def test_a_person_who_is_asked_lets_it_end_or_stand_longer(world: World, verb: Verb) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    contained = await world.until(handle, settled)
    await passes(world, owner(world, handle), ISOLATION - ASKED_BEFORE + A_LITTLE)
    waiting = asked(await world.until(handle, lambda one: one.summary.waiting_for is not None))
    answer = await world.say(handle, verb, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids)
    assert answer.accepted, answer
    after = await world.until(handle, lambda one: one.summary.waiting_for is None)
    if verb is Verb.APPROVE:
        await untouched(world, place)
    else:
        until = contained.receipts[0].expires_at
        assert until
        assert after.receipts[0].expires_at == until + ISOLATION
        await world.say(handle, Verb.UNDO)


async def test_silence_about_a_plan_means_no(world: World) -> None:
    place = await world.place(Mode.APPROVE)
    handle = await world.open(world.event(place, mode=Mode.APPROVE))
    waiting = asked(await world.until(handle, lambda one: one.summary.waiting_for is not None))
    await passes(world, handle, ASKED_BEFORE - 2 * A_LITTLE)
    assert asked(await handle.query("incident", result_type=Incident)) == waiting
    await passes(world, handle, 3 * A_LITTLE)
    refused = await world.until(handle, lambda one: one.summary.waiting_for is None)
    assert {receipt.state for receipt in refused.receipts} == {ActionState.REFUSED}
    with pytest.raises(WorkflowUpdateFailedError) as late:
        await world.say(handle, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids)
    assert "nothing waits" in str(late.value.cause)
    await untouched(world, place)


async def test_an_incident_that_needs_nobody_closes_by_itself(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.3), quiet_seconds=3600)
    await world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    await passes(world, handle, timedelta(hours=1) + A_LITTLE)
    assert "nothing new was seen" in (await handle.result())["reason"]


async def test_the_owner_of_a_terminated_incident_obeys_an_undo(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    await handle.terminate("by somebody in the UI")
    assert len((await world.standing(place))[2]) == 2
    assert (await world.say(owner(world, handle), Verb.UNDO)).accepted
    await untouched(world, place)


async def test_the_owner_of_a_terminated_incident_still_knows_when_its_time_is_up(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.7, peer=PEER))
    await world.until(handle, settled)
    await handle.terminate("by somebody in the UI")
    await passes(world, owner(world, handle), BLOCK + A_LITTLE)
    await owner(world, handle).result()
    await untouched(world, place)


async def test_what_is_kept_at_the_close_stands_until_its_time_is_up(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.7, peer=PEER))
    await world.until(handle, settled)
    assert (await world.say(handle, Verb.CLOSE, keep=True)).accepted
    await handle.result()
    assert len((await world.standing(place))[2]) == 2
    await passes(world, owner(world, handle), BLOCK + A_LITTLE)
    await owner(world, handle).result()
    await untouched(world, place)


def drifts(world: World, handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Return what people were told of what did not go as it should."""
    return [page.text for page in world.pages.about(handle.id) if page.kind is PageKind.DRIFT]


async def test_an_executor_whose_clock_lags_is_asked_again_and_nobody_is_let_go(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.7, peer=PEER))
    await world.until(handle, settled)
    await world.environment.fast_forward(owner(world, handle), BLOCK + A_LITTLE)
    assert len((await world.standing(place))[2]) == 2
    assert (await owner(world, handle).describe()).status is WorkflowExecutionStatus.RUNNING
    for _ in range(400):  # people are told beside everything else
        if drifts(world, handle):
            break
        await asyncio.sleep(0.05)
    assert any("time of this stack is not up" in text for text in drifts(world, handle))

    await passes(world, owner(world, handle), BLOCK + A_LITTLE)
    await owner(world, handle).result()
    await untouched(world, place)


async def test_a_command_finds_a_new_owner_where_the_old_one_was_terminated(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    await owner(world, handle).terminate("by somebody in the UI")
    assert (await world.say(handle, Verb.UNDO)).accepted
    await untouched(world, place)
