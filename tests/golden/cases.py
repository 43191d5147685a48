"""Everything that an incident and its stack can live through, as scripts. Each is one case of the goldens."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from temporalio.client import WorkflowFailureError

from activities.owners import WORKLOAD_EVENTS
from activities.ports import NETWORK_POLICIES, PODS
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState
from signals.requests import RemediationInput, StackRequest
from signals.subjects import ORCHESTRATOR, REMEDIATION_WORKFLOW, remediation_id
from signals.threats import Mode, Peer, Severity
from tests.golden.stage import Faltering, Handle, Slow, Stage, answered
from tests.golden.whole import WHOLE
from tests.workflows.world import CLUSTER, CROWDED, Place, settled
from workflows.options import TASK_TIMEOUT

Case = Callable[[Stage], Awaitable[None]]

PEER = Peer(address="203.0.113.7", port=443)
BLOCK = timedelta(hours=4)
ISOLATION = timedelta(hours=24)
ASKED_BEFORE = timedelta(minutes=15)
A_LITTLE = timedelta(seconds=5)


async def opened(stage: Stage, mode: Mode = Mode.AUTO, **given: Any) -> tuple[Handle, Place]:
    """Open an incident about one pod."""
    place = await stage.world.place(mode)
    return await stage.world.open(stage.world.event(place, mode=mode, **given)), place


async def contained(stage: Stage, **given: Any) -> tuple[Handle, Place]:
    """Open one and wait until it is contained and verified."""
    handle, place = await opened(stage, **given)
    await stage.world.until(handle, settled)
    return handle, place


async def undone(stage: Stage, handle: Handle) -> Incident:
    """Wait until everything is put back."""
    return await stage.world.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)


async def observed(stage: Stage) -> None:
    """Tier 1."""
    handle, _ = await opened(stage, confidence=0.3)
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    await stage.keep(handle)
    await stage.closes(handle, reason="seen")


async def goes_quiet(stage: Stage) -> None:
    """Nobody needs it: it closes by itself."""
    handle, _ = await opened(stage, confidence=0.3)
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    await stage.passes(handle, timedelta(days=1) + A_LITTLE)
    await handle.result()
    await stage.keep(handle)


async def restricted(stage: Stage) -> None:
    """Tier 2, and the close puts back."""
    handle, _ = await contained(stage, confidence=0.7, peer=PEER)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def isolated(stage: Stage) -> None:
    """Tier 3, undone by a person."""
    handle, _ = await contained(stage)
    await stage.keep(handle)
    assert (await stage.world.say(handle, Verb.UNDO, reason="false alarm")).accepted
    await stage.keep(handle, "undone")
    await stage.closes(handle)


async def escalated(stage: Stage) -> None:
    """Tier 4: a person decides."""
    handle, _ = await opened(stage, confidence=0.99, severity=Severity.CRITICAL)
    waiting = await stage.asked(handle)
    await stage.keep(handle, "asked")
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def rises(stage: Stage) -> None:
    """From Tier 1 over 2 to 3, by more and more that is seen."""
    handle, place = await opened(stage, confidence=0.3)
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    for confidence, given in ((0.7, {"peer": PEER}), (0.9, {})):
        before = len((await handle.query("incident", result_type=Incident)).receipts)
        event = stage.world.event(place, confidence=confidence, **given)
        await handle.signal("events", stage.world.batch(handle.id, event))
        await stage.world.until(handle, lambda one, n=before: len(one.receipts) > n and settled(one))  # type: ignore[misc]  # a default binds the number
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def shadow(stage: Stage) -> None:
    """Shadow mode, then promoted by another event."""
    handle, _ = await opened(stage, Mode.SHADOW)
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.SHADOWED)
    await stage.keep(handle)
    await stage.closes(handle)


async def approval(stage: Stage) -> None:
    """A person approves the plan."""
    handle, _ = await opened(stage, Mode.APPROVE)
    waiting = await stage.asked(handle)
    await stage.keep(handle, "asked")
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def rejection(stage: Stage) -> None:
    """A person rejects the plan."""
    handle, _ = await opened(stage, Mode.APPROVE)
    assert (await stage.answers(handle, Verb.REJECT, await stage.asked(handle))).accepted
    await stage.keep(handle)
    await stage.closes(handle)


async def approval_expires(stage: Stage) -> None:
    """Nobody answers: no."""
    handle, _ = await opened(stage, Mode.APPROVE)
    await stage.asked(handle)
    await stage.passes(handle, ASKED_BEFORE + A_LITTLE)
    await stage.world.until(handle, answered)
    await stage.keep(handle)
    await stage.closes(handle)


async def action_expires(stage: Stage) -> None:
    """A blocked flow is put back when its time is up."""
    handle, _ = await contained(stage, confidence=0.7, peer=PEER)
    await stage.passes(stage.owner(handle), BLOCK + A_LITTLE)
    await undone(stage, handle)
    await stage.keep(handle)
    await stage.closes(handle)


async def isolation_asks(stage: Stage) -> None:
    """An isolation asks before its time is up; silence extends it twice, and then it ends."""
    handle, _ = await contained(stage)
    for left in (2, 1, 0):
        await stage.passes(stage.owner(handle), ISOLATION - ASKED_BEFORE + A_LITTLE)
        await stage.asked(handle)
        if left == 2:
            await stage.keep(handle, "asked")
        await stage.passes(stage.owner(handle), ASKED_BEFORE)
        await stage.world.until(handle, answered)
        if left == 2:
            await stage.keep(handle)
    await undone(stage, handle)
    await stage.closes(handle)


async def isolation_released(stage: Stage) -> None:
    """A person who is asked lets it end."""
    handle, _ = await contained(stage)
    await stage.passes(stage.owner(handle), ISOLATION - ASKED_BEFORE + A_LITTLE)
    assert (await stage.answers(handle, Verb.APPROVE, await stage.asked(handle))).accepted
    await stage.keep(handle)
    await stage.closes(handle)


async def isolation_held(stage: Stage) -> None:
    """A person who is asked lets it stand longer."""
    handle, _ = await contained(stage)
    await stage.passes(stage.owner(handle), ISOLATION - ASKED_BEFORE + A_LITTLE)
    assert (await stage.answers(handle, Verb.REJECT, await stage.asked(handle))).accepted
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def extension(stage: Stage) -> None:
    """A person lets it stand longer."""
    handle, _ = await contained(stage)
    assert (await stage.world.say(handle, Verb.EXTEND, seconds=7200)).accepted
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def undo_stops_at_drift(stage: Stage) -> None:
    """Somebody changed our policy: the undo stops, and a person forces it."""
    handle, place = await contained(stage)
    _, _, policies = await stage.world.standing(place)
    ours = next(one["metadata"]["name"] for one in policies if one["metadata"]["name"] != "allow-web")
    ref = NETWORK_POLICIES.ref(ours, place.namespace)
    await stage.world.cluster.patch(
        ref, [{"op": "replace", "path": "/spec/policyTypes", "value": ["Egress"]}]
    )
    stopped = await stage.world.say(handle, Verb.UNDO)
    assert not stopped.accepted, stopped
    await stage.keep(handle)
    await stage.world.say(handle, Verb.UNDO, force=True)
    await stage.closes(handle, **({"keep": True} if await stands(handle) else {}))


async def stands(handle: Handle) -> bool:
    """Return whether something of an incident is still in the cluster."""
    incident: Incident = await handle.query("incident", result_type=Incident)
    return any(receipt.state.stands for receipt in incident.receipts)


async def drift_is_held(stage: Stage) -> None:
    """Somebody adds a policy that opens what was closed; the owner writes it back."""
    handle, place = await contained(stage)
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {}, "spec": spec}
    await stage.world.cluster.create(NETWORK_POLICIES.ref("opens", place.namespace), body)
    await stage.owner(handle).signal("changed", {})
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def stand_down(stage: Stage) -> None:
    """A person stops the response; what is seen afterwards writes nothing."""
    handle, place = await contained(stage)
    assert (await stage.world.say(handle, Verb.STAND_DOWN)).accepted
    again = stage.world.event(place, technique="T1611")
    await handle.signal("events", stage.world.batch(handle.id, again))
    await stage.keep(handle)
    await stage.closes(handle)


async def cancel_lets_stand(stage: Stage) -> None:
    """A cancel in Temporal ends the incident and puts nothing back; the owner of its stack obeys a person."""
    handle, _ = await contained(stage)
    await handle.cancel()
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    await stage.keep(handle)
    assert (await stage.world.say(stage.owner(handle), Verb.UNDO)).accepted
    await stage.owner(handle).result()
    await stage.keep(handle, "undone")


async def owner_cancel_lets_stand(stage: Stage) -> None:
    """Somebody cancels the owner of the stack: what stands stays, and a person's undo finds a new owner."""
    handle, _ = await contained(stage)
    await stage.owner(handle).cancel()
    with contextlib.suppress(WorkflowFailureError):
        await stage.owner(handle).result()
    await stage.keep(handle)
    assert (await stage.world.say(handle, Verb.UNDO)).accepted
    await stage.closes(handle)


async def terminated(stage: Stage) -> None:
    """The incident is terminated; the owner obeys a person."""
    handle, _ = await contained(stage)
    await handle.terminate("by somebody in the UI")
    await stage.owner(handle).signal("changed", {})
    await stage.keep(handle)
    assert (await stage.world.say(stage.owner(handle), Verb.UNDO)).accepted
    await stage.owner(handle).result()
    await stage.keep(handle)


async def adopted(stage: Stage) -> None:
    """Incident and owner are terminated: what stands is adopted, and its time comes."""
    handle, _ = await contained(stage, confidence=0.7, peer=PEER)
    incident: Incident = await handle.query("incident", result_type=Incident)
    for one in (handle, stage.owner(handle)):
        await one.terminate("by somebody in the UI")
    given = RemediationInput(
        stack=StackRequest(incident=handle.id, cluster=CLUSTER, receipts=incident.receipts),
        title="Nobody owned this containment any more",
        severity=Severity.HIGH,
        liaison_key=stage.world.liaison_key,
        approval_seconds=900,
        extensions_left=2,
        adopted=True,
    )
    owner = await stage.world.client.start_workflow(
        REMEDIATION_WORKFLOW, given, id=remediation_id(handle.id), task_queue=ORCHESTRATOR,
        task_timeout=TASK_TIMEOUT,
    )  # fmt: skip
    await stage.keep(handle)
    await stage.passes(owner, BLOCK + A_LITTLE)
    await owner.result()
    await stage.keep(handle)


async def owner_replaced(stage: Stage) -> None:
    """The owner is terminated: the next command finds a new one."""
    handle, _ = await contained(stage)
    await stage.owner(handle).terminate("by somebody in the UI")
    assert (await stage.world.say(handle, Verb.EXTEND, seconds=3600)).accepted
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def close_keep(stage: Stage) -> None:
    """Closed, and what is applied stands until its time is up."""
    handle, _ = await contained(stage, confidence=0.7, peer=PEER)
    assert (await stage.world.say(handle, Verb.CLOSE, keep=True)).accepted
    await handle.result()
    await stage.keep(handle)
    await stage.passes(stage.owner(handle), BLOCK + A_LITTLE)
    await stage.owner(handle).result()
    await stage.keep(handle)


async def target_gone(stage: Stage) -> None:
    """The pod is deleted: nothing is left to contain."""
    handle, place = await contained(stage)
    await stage.world.cluster.delete(PODS.ref(place.subject.name, place.namespace))
    await stage.owner(handle).signal("changed", {})
    await undone(stage, handle)
    await stage.keep(handle)
    await stage.closes(handle)


async def burst(stage: Stage) -> None:
    """Two dozen pods of one namespace at once, in one incident."""
    place = await stage.world.place()
    pods = [await stage.pod(place, f"web-{number}") for number in range(1, 25)]
    events = [stage.world.event(place, subject=subject) for subject in pods]
    handle = await stage.world.open(*events[:12])
    await handle.signal("events", stage.world.batch(handle.id, *events[12:]))
    await stage.world.until(handle, lambda one: settled(one) and len(one.events) == len(events))
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def continue_as_new(stage: Stage) -> None:
    """A question outlives the run in which it was asked."""
    place = await stage.world.place(Mode.APPROVE)
    event = stage.world.event(place, mode=Mode.APPROVE)
    handle = await stage.world.open(event)
    waiting = await stage.asked(handle)
    await _crowd(stage, handle, event)
    await stage.keep(handle)
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, settled)
    await stage.closes(handle, undo=True)


async def continue_as_new_in_a_flood(stage: Stage) -> None:
    """An incident goes on in a new run although something is unread, and people are told from there."""
    place = await stage.world.place()
    name = f"case-{place.namespace}"
    stage.world.pages.down.add(name)
    handle = await stage.world.open(stage.world.event(place), incident=name)
    await stage.world.until(handle, settled)
    first = (await handle.describe()).run_id
    numbers = iter(range(10 * CROWDED))

    async def pour() -> None:
        for number in numbers:
            event = stage.world.event(place, id=f"flood-{number}", confidence=0.3)
            await handle.signal("events", stage.world.batch(handle.id, event))
            if (await handle.describe()).run_id != first:
                return

    await asyncio.gather(*(pour() for _ in range(4)))
    await stage.keep(handle)
    stage.world.pages.down.discard(name)
    for _ in range(200):
        if stage.world.pages.about(name):
            break
        await asyncio.sleep(0.1)
    assert stage.world.pages.about(name)
    await stage.closes(handle, undo=True)


async def _crowd(stage: Stage, handle: Handle, event: Any) -> None:
    first = (await handle.describe()).run_id
    for revision in range(2, CROWDED):
        again = event.model_copy(update={"revision": revision, "count": revision})
        await handle.signal("events", stage.world.batch(handle.id, again))
        if (await handle.describe()).run_id != first:
            return
    raise AssertionError("it never went on in a new run")


async def owner_continues_as_new(stage: Stage) -> None:
    """The owner of a stack goes on in a new run."""
    handle, _ = await contained(stage)
    owner = stage.owner(handle)
    first = (await owner.describe()).run_id
    while (await owner.describe()).run_id == first:
        await owner.signal("changed", {})
        await asyncio.sleep(0.05)  # it goes on when nothing is said
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def executor_fails_once(stage: Stage) -> None:
    """The API server is away for two writes: they are tried again."""
    assert isinstance(stage.world.cluster, Faltering)
    place = await stage.world.place()
    stage.world.cluster.failures = 2
    handle = await stage.world.open(stage.world.event(place))
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def executor_is_late(stage: Stage) -> None:
    """The executor does not answer for longer than people can be left in the dark."""
    assert isinstance(stage.world.cluster, Faltering)
    place = await stage.world.place()
    stage.world.cluster.failures = 1_000_000
    handle = await stage.world.open(stage.world.event(place))
    await asyncio.sleep(1)
    await stage.passes(handle, timedelta(seconds=12))
    stage.world.cluster.failures = 0
    await stage.world.until(handle, settled, seconds=40)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def undecodable(stage: Stage) -> None:
    """Signals that are no messages of ours."""
    handle, _ = await contained(stage)
    nonsense: list[list[Any]] = [[{"events": [{"id": 7}]}], ["text"], [None], [], [{}, {}]]
    for arguments in nonsense:
        for signal in ("events", "stack"):
            await handle.signal(signal, args=arguments)
        for signal in ("push", "command", "changed"):
            await stage.owner(handle).signal(signal, args=arguments)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def false_alarm_then_news(stage: Stage) -> None:
    """A person undid it; the same is held at Tier 1, something else is contained."""
    handle, place = await contained(stage)
    assert (await stage.world.say(handle, Verb.UNDO, reason="false alarm")).accepted
    same = stage.world.event(place)
    await handle.signal("events", stage.world.batch(handle.id, same))
    await stage.calm(handle)
    other = stage.world.event(place, detector="container_escape", technique="T1611", confidence=0.93)
    await handle.signal("events", stage.world.batch(handle.id, other))
    await stage.world.until(
        handle,
        lambda one: (
            {ActionState.UNVERIFIED, ActionState.EFFECTIVE} & {r.state for r in one.receipts} != set()
        ),
    )
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def owners_are_told(stage: Stage) -> None:
    """The owners of a workload hear of its containment and of its end, on the workload itself."""
    handle, place = await contained(stage)
    await stage.keep(handle)
    await stage.world.say(handle, Verb.UNDO)
    await undone(stage, handle)
    await stage.closes(handle, reason="seen")
    told = await stage.world.cluster.list(WORKLOAD_EVENTS, place.namespace)
    assert {one["reason"] for one in told} == {"FirebreakContained", "FirebreakPutBack"}, told


async def news_while_closing(stage: Stage) -> None:
    """Something new is seen as the incident closes: it stays open."""
    handle, place = await opened(stage, confidence=0.3)
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.OBSERVED)
    assert isinstance(stage.world.pages, Slow)
    stage.world.pages.seconds = 2.0
    assert (await stage.world.say(handle, Verb.CLOSE)).accepted
    news = stage.world.event(place)
    await handle.signal("events", stage.world.batch(handle.id, news))
    await stage.world.until(handle, settled)
    stage.world.pages.seconds = 0.0
    await asyncio.sleep(2.5)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


CASES = MappingProxyType(
    {
        case.__name__.replace("_", "-"): case
        for case in (
            observed, goes_quiet, restricted, isolated, escalated, rises, shadow,
            approval, rejection, approval_expires, action_expires,
            isolation_asks, isolation_released, isolation_held, extension,
            undo_stops_at_drift, drift_is_held, stand_down, owners_are_told,
            cancel_lets_stand, owner_cancel_lets_stand,
            terminated, adopted, owner_replaced, close_keep, target_gone, continue_as_new_in_a_flood,
            burst, continue_as_new, owner_continues_as_new,
            executor_fails_once, executor_is_late, undecodable,
            false_alarm_then_news, news_while_closing,
        )
    }
    | WHOLE
)  # fmt: skip
