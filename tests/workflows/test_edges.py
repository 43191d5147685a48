"""Where Temporal is silent: what does not decode, is not a number, is too much, or has grown too long."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from signals.approvals import Approval, Verb
from signals.incidents import Incident, IncidentState
from signals.keywords import KEYWORD_LIST_BYTES
from signals.receipts import ActionState
from signals.subjects import remediation_id
from signals.threats import Mode, Severity, ThreatEvent
from tests.workflows.world import CROWDED, World, essence, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]

NONSENSE: list[list[Any]] = [
    [{"events": [{"id": 7}]}],
    [{"events": 7}],
    ["text"],
    [7],
    [[1, 2]],
    [None],
    [],
    [{}, {}],
]


def unreadable(incident: Incident) -> int:
    """Return how many signals were said not to decode."""
    return sum(moment.what == "a signal did not decode" for moment in incident.timeline)


async def test_a_signal_that_does_not_decode_wedges_nothing(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    for arguments in NONSENSE:
        for signal in ("events", "stack"):
            await handle.signal(signal, args=arguments)
        for signal in ("push", "command", "changed"):
            await owner.signal(signal, args=arguments)
    await world.until(handle, lambda one: unreadable(one) == len(NONSENSE))
    assert (await world.say(handle, Verb.UNDO)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]


async def test_an_update_that_does_not_decode_is_refused_in_words(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    for arguments in NONSENSE:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("undo", args=arguments)
        assert isinstance(refused.value.cause, ApplicationError)
        assert "not a command" in str(refused.value.cause), arguments
    assert len((await world.standing(place))[2]) == 2
    assert (await world.say(handle, Verb.UNDO)).accepted


async def test_a_confidence_that_is_no_number_is_no_confidence(world: World) -> None:
    place = await world.place()
    event = world.event(place).model_dump(mode="json") | {"confidence": float("nan")}
    handle = await world.open()
    await handle.signal("events", {"events": [event]})
    incident = await world.until(handle, lambda one: bool(one.decisions) or unreadable(one) > 0)
    if incident.decisions:
        assert (incident.summary.tier, incident.summary.confidence) == (1, None)
        assert incident.decisions[0].page
    assert not incident.receipts
    assert len((await world.standing(place))[2]) == 1


async def test_five_hundred_entities_fit_the_search_attributes(world: World) -> None:
    place = await world.place()
    subjects = [
        place.subject.model_copy(update={"name": f"a-pod-with-a-long-name-{number}", "uid": f"u-{number}"})
        for number in range(500)
    ]
    events = [world.event(place, confidence=0.3, subject=subject) for subject in subjects]
    handle = await world.open(*events[:250])
    await handle.signal("events", world.batch(handle.id, *events[250:]))
    await world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    described = await handle.describe()
    for _ in range(100):
        if "FirebreakEntities" in described.search_attributes:
            break
        await asyncio.sleep(0.1)
        described = await handle.describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    entities = described.search_attributes["FirebreakEntities"]
    assert sum(len(str(entity).encode()) for entity in entities) <= KEYWORD_LIST_BYTES
    assert str(entities[-1]).endswith(" more") or any(str(entity).startswith("+") for entity in entities)


async def goes_on(handle: WorkflowHandle[Any, Any], signal: str, says: Callable[[int], Any]) -> None:
    """Send signals until a workflow goes on in a new run; it may take a moment to come to it."""
    first = (await handle.describe()).run_id
    for number in range(2, 2 * CROWDED):
        await handle.signal(signal, says(number))
        if (await handle.describe()).run_id != first:
            return
        if number > CROWDED:
            await asyncio.sleep(0.05)
    raise AssertionError("it never went on in a new run")


async def crowd(world: World, handle: WorkflowHandle[Any, Any], event: ThreatEvent) -> None:
    """Send revisions of one event until the incident goes on in a new run."""

    def again(number: int) -> dict[str, Any]:
        revised = event.model_copy(update={"revision": number, "count": number})
        return world.batch(handle.id, revised)

    await goes_on(handle, "events", again)


async def test_a_question_outlives_the_run_in_which_it_was_asked(world: World) -> None:
    place = await world.place(Mode.APPROVE)
    event = world.event(place, mode=Mode.APPROVE)
    handle = await world.open(event)
    before = await world.until(handle, lambda one: one.summary.waiting_for is not None)
    await crowd(world, handle, event)
    after = await handle.query("incident", result_type=Incident)
    waiting = after.summary.waiting_for
    assert waiting
    assert waiting == before.summary.waiting_for
    assert [one.state for one in after.receipts] == [ActionState.STAGED]
    assert after.timeline[: len(before.timeline)] == before.timeline
    answer = await world.say(
        handle, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    assert answer.accepted, answer
    await world.until(handle, settled)
    assert (await world.say(handle, Verb.UNDO)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]


async def test_a_pager_that_is_down_does_not_keep_an_incident_from_going_on_in_a_new_run(
    world: World,
) -> None:
    place = await world.place()
    event = world.event(place)
    name = f"case-{place.namespace}"
    world.pages.down.add(name)
    handle = await world.open(event, incident=name)
    await world.until(handle, settled)
    await crowd(world, handle, event)
    assert not world.pages.about(name)
    world.pages.down.discard(name)
    for _ in range(200):
        if world.pages.about(name):
            break
        await asyncio.sleep(0.1)
    assert [page.severity for page in world.pages.about(name)] == [Severity.HIGH]
    assert (await world.say(handle, Verb.UNDO)).accepted


async def test_a_flood_does_not_keep_an_incident_from_going_on_and_everything_is_judged(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place, confidence=0.3))
    first = (await handle.describe()).run_id
    events = [world.event(place, id=f"flood-{number}", confidence=0.3) for number in range(6 * CROWDED)]
    left = iter(events)

    async def pour() -> None:
        for event in left:
            await handle.signal("events", world.batch(handle.id, event))
            if (await handle.describe()).run_id != first:
                return

    await asyncio.gather(*(pour() for _ in range(4)))
    assert (await handle.describe()).run_id != first, "a flood kept it in one run"
    sent = len(events) - len(list(left))
    await world.until(handle, lambda one: len(one.events) + one.left_out == sent + 1)
    last = world.event(place, confidence=0.9)
    await handle.signal("events", world.batch(handle.id, last))
    assert (await world.until(handle, settled)).summary.state is IncidentState.CONTAINED
    assert (await world.say(handle, Verb.UNDO)).accepted


async def test_a_command_counts_once_whatever_run_it_comes_to(world: World) -> None:
    place = await world.place()
    event = world.event(place)
    handle = await world.open(event)
    await world.until(handle, settled)
    said = world.liaison.seal(
        Approval(
            id=f"once-{handle.id}",
            cluster=place.subject.cluster,
            verb=Verb.EXTEND,
            incident=handle.id,
            actor="oncall",
            seconds=3600,
            said_at=world.clock.now(),
        )
    )
    assert (await world.send(handle, said)).accepted
    await crowd(world, handle, event)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("extend", said.model_dump(mode="json"), id=f"{said.id}-again")
    assert "obeyed already" in str(refused.value.cause)
    assert (await world.say(handle, Verb.UNDO)).accepted


async def test_the_owner_of_a_stack_goes_on_in_a_new_run_and_puts_everything_back(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    await goes_on(owner, "changed", lambda _: {})
    assert (await world.say(handle, Verb.UNDO)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]


async def test_no_command_is_lost_between_two_runs_of_an_owner(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    first = (await owner.describe()).run_id

    async def change() -> None:
        for _ in range(CROWDED // 3):
            await owner.signal("changed", {})
            await asyncio.sleep(0.02)

    changing = asyncio.create_task(change())
    for _ in range(CROWDED // 6):
        assert (await world.say(handle, Verb.EXTEND, seconds=60)).accepted
    await changing
    assert (await owner.describe()).run_id != first
    assert (await world.say(handle, Verb.CLOSE, undo=True)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]


async def test_the_question_of_an_owner_outlives_a_run_of_its_incident(world: World) -> None:
    place = await world.place()
    event = world.event(place)
    handle = await world.open(event)
    await world.until(handle, settled)
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    nearly = timedelta(hours=24) - timedelta(minutes=14)
    world.clock.ahead += nearly
    await world.environment.fast_forward(owner, nearly)
    before = await world.until(handle, lambda one: one.summary.waiting_for is not None)
    await crowd(world, handle, event)
    waiting = (await handle.query("incident", result_type=Incident)).summary.waiting_for
    assert waiting
    assert waiting == before.summary.waiting_for
    answer = await world.say(
        handle, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    assert answer.accepted, answer
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]
