import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from signals.approvals import Approval, Verb
from signals.incidents import IncidentState
from signals.pages import PageKind
from signals.receipts import ActionState
from signals.subjects import MEMO, remediation_id
from signals.threats import Mode, Peer
from tests.workflows.world import CLUSTER, World, essence, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_certain_alert_is_contained_verified_and_undone_byte_for_byte(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    incident = await world.until(handle, settled)

    pod, policy, policies = await world.standing(place)
    assert incident.summary.state is IncidentState.CONTAINED
    assert [receipt.state for receipt in incident.receipts] == [ActionState.UNVERIFIED]
    assert len(policies) == 2
    assert essence(pod) != essence(place.pod)
    assert essence(policy) != essence(place.policy)

    answer = await world.say(handle, Verb.UNDO, reason="false alarm")
    pod, policy, policies = await world.standing(place)
    assert answer.accepted
    assert essence(pod) == essence(place.pod)
    assert [essence(left) for left in policies] == [essence(place.policy)]
    undone = await world.until(handle, lambda i: i.summary.state is IncidentState.UNDONE)
    assert [receipt.state for receipt in undone.receipts] == [ActionState.REVERTED]

    await world.say(handle, Verb.CLOSE, reason="was a test")
    assert (await handle.result())["reason"].startswith("closed by oncall")
    summary = await (await handle.describe()).memo_value(MEMO)
    assert summary["state"] == "closed"


async def test_more_of_the_same_at_the_same_tier_is_no_second_page(world: World) -> None:
    place = await world.place()
    peers = [Peer(address=f"203.0.113.{number}", port=443) for number in (7, 8)]
    seen = [world.event(place, id=f"e-{peer.address}", confidence=0.7, peer=peer) for peer in peers]
    handle = await world.open(seen[0])
    await world.until(handle, settled)
    await handle.signal("events", world.batch(handle.id, seen[1]))
    both = await world.until(handle, lambda one: settled(one) and len(one.receipts) > 2)
    assert [one.action.type for one in both.receipts].count("block_flow") == 2
    assert (await world.say(handle, Verb.CLOSE, undo=True)).accepted
    await handle.result()
    assert [page.kind for page in world.pages.about(handle.id)] == [PageKind.PAGE, PageKind.CLOSED]


async def test_in_approve_mode_nothing_is_written_until_a_person_says_so(world: World) -> None:
    place = await world.place(Mode.APPROVE)
    handle = await world.open(world.event(place, mode=Mode.APPROVE))
    incident = await world.until(handle, lambda i: i.summary.waiting_for is not None)
    waiting = incident.summary.waiting_for
    assert waiting
    assert essence((await world.standing(place))[0]) == essence(place.pod)
    assert incident.summary.state is IncidentState.AWAITING_APPROVAL

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await world.say(handle, Verb.APPROVE, plan_hash="another", target_uids=waiting.target_uids)
    assert isinstance(refused.value.cause, ApplicationError)
    assert "plan has changed" in str(refused.value.cause)

    answer = await world.say(
        handle, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    assert answer.accepted, answer
    contained = await world.until(handle, settled)
    assert contained.receipts[0].approved_by == "oncall"
    assert len((await world.standing(place))[2]) == 2


async def test_shadow_mode_plans_and_writes_nothing(world: World) -> None:
    place = await world.place(Mode.SHADOW)
    handle = await world.open(world.event(place, mode=Mode.SHADOW))
    incident = await world.until(handle, lambda i: i.summary.state is IncidentState.SHADOWED)

    assert [essence(manifest) for manifest in (await world.standing(place))[2]] == [essence(place.policy)]
    assert incident.plan
    assert all(answer.accepted for answer in incident.plan.dry_run)


async def test_the_executor_believes_its_own_reading_of_the_mode(world: World) -> None:
    place = await world.place(Mode.SHADOW)
    handle = await world.open(world.event(place, mode=Mode.AUTO))
    await world.until(handle, lambda i: i.summary.state is IncidentState.SHADOWED)
    assert len((await world.standing(place))[2]) == 1


async def test_an_unsigned_command_is_refused(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    forged = Approval(
        id="forged",
        cluster=CLUSTER,
        verb=Verb.UNDO,
        incident=handle.id,
        actor="mallory",
        said_at=world.clock.now(),
    )

    with pytest.raises(WorkflowUpdateFailedError):
        await world.send(handle, forged)
    assert len((await world.standing(place))[2]) == 2


async def test_a_signal_that_does_not_decode_is_said_and_the_incident_lives(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await handle.signal("events", {"events": [{"id": 7}]})
    await world.until(handle, lambda i: any(m.what == "a signal did not decode" for m in i.timeline))
    await world.until(handle, settled)
    await world.say(handle, Verb.UNDO)


async def test_a_cancel_in_temporal_puts_nothing_back_and_people_are_told(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    held = await world.standing(place)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    assert any("cancelled in Temporal" in page.text for page in world.pages.about(handle.id))
    assert await world.standing(place) == held
    assert (await world.say(owner, Verb.UNDO)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]


async def test_a_cancelled_owner_leaves_what_stands_and_an_undo_finds_another(world: World) -> None:
    place = await world.place()
    handle = await world.open(world.event(place))
    await world.until(handle, settled)
    held = await world.standing(place)
    owner = world.client.get_workflow_handle(remediation_id(handle.id))
    await owner.cancel()
    with pytest.raises(WorkflowFailureError):
        await owner.result()
    assert any("owner was cancelled" in page.text for page in world.pages.about(handle.id))
    assert await world.standing(place) == held
    assert (await world.say(handle, Verb.UNDO)).accepted
    assert [essence(left) for left in (await world.standing(place))[2]] == [essence(place.policy)]
