"""Cases of Tier 3 to its end, and of what stops it: played where the policy leaves no step out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from activities.ports import POD_DISRUPTION_BUDGETS
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState
from signals.policy import Caps
from signals.receipts import ActionState
from tests.golden.stage import Faltering, Handle, Stage
from tests.workflows.world import Place, settled

Case = Callable[[Stage], Awaitable[None]]


def became(kind: str, state: ActionState) -> Callable[[Incident], bool]:
    """Return whether an action of an incident is in a state."""
    return lambda one: any(r.action.type == kind and r.state is state for r in one.receipts)


def isolated(incident: Incident) -> bool:
    """Whether the isolation is verified."""
    return became("isolate_pod", ActionState.UNVERIFIED)(incident)


async def opened(stage: Stage, **given: Any) -> tuple[Handle, Place]:
    """Open an incident about one pod that a ReplicaSet owns."""
    place = await stage.world.place(owner="ReplicaSet")
    more = {name: given.pop(name) for name in ("holds_on", "extensions", "lead_seconds") if name in given}
    return await stage.world.open(stage.world.event(place, **given), **more), place


async def budget(stage: Stage, place: Place) -> None:
    """Let no pod of a place be evicted."""
    ref = POD_DISRUPTION_BUDGETS.ref("web", place.namespace)
    body = {"kind": "PodDisruptionBudget", "metadata": {}, "spec": {"selector": {}}}
    await stage.world.cluster.create(ref, {**body, "status": {"disruptionsAllowed": 0}})


async def tier_3_whole(stage: Stage) -> None:
    """Isolated, captured, frozen, evicted; then nothing is left to hold."""
    handle, _ = await opened(stage)
    await stage.world.until(handle, became("evict_pod", ActionState.DONE))
    await stage.keep(handle)
    await stage.passes(stage.owner(handle), timedelta(minutes=1))
    await stage.world.until(handle, became("isolate_pod", ActionState.DONE))
    await stage.closes(handle)


async def tier_3_capture_fails(stage: Stage) -> None:
    """Nothing can be captured: that is a result, and the rest goes on."""
    handle, place = await opened_with(stage, blind=True)
    await stage.world.until(handle, became("evict_pod", ActionState.DONE))
    await stage.keep(handle)
    await stage.closes(handle, undo=True)
    faltering(stage).blind.discard(place.namespace)


def faltering(stage: Stage) -> Faltering:
    """Return the cluster of a stage, which can be told to fail."""
    assert isinstance(stage.world.cluster, Faltering)
    return stage.world.cluster


async def opened_with(stage: Stage, *, blind: bool = False) -> tuple[Handle, Place]:
    """Open an incident where nothing can be captured, or where the freeze takes its time."""
    place = await stage.world.place(owner="ReplicaSet")
    if blind:
        faltering(stage).blind.add(place.namespace)
    else:
        faltering(stage).frozen[place.namespace] = asyncio.Event()
    return await stage.world.open(stage.world.event(place)), place


async def tier_3_budget(stage: Stage) -> None:
    """The eviction is refused: partially contained."""
    place = await stage.world.place(owner="ReplicaSet")
    await budget(stage, place)
    handle = await stage.world.open(stage.world.event(place))
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def tier_3_asks_for_the_eviction(stage: Stage) -> None:
    """A bare pod: the eviction alone waits for a person."""
    place = await stage.world.place()
    handle = await stage.world.open(stage.world.event(place))
    waiting = await stage.asked(handle)
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, became("evict_pod", ActionState.DONE))
    await stage.keep(handle, "approved")
    await stage.closes(handle, undo=True)


async def tier_3_cap_in_its_turn(stage: Stage) -> None:
    """A cap holds the freeze back in its turn, while the eviction of a bare pod is asked for already."""
    place = await stage.world.place()
    for number in range(Caps().per_namespace):
        pod = await stage.pod(place, f"web-{number}-before")
        before = await stage.world.open(stage.world.event(place, subject=pod))
        await stage.world.until(before, lambda one: settled(one) and not _is_due(one))
    handle = await stage.world.open(stage.world.event(place))
    waiting = await stage.asked(handle)
    await stage.world.until(handle, became("freeze_credentials", ActionState.STAGED))
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, became("evict_pod", ActionState.DONE))
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


def _is_due(incident: Incident) -> bool:
    return any(receipt.state is ActionState.DUE for receipt in incident.receipts)


async def tier_3_undone_between_turns(stage: Stage) -> None:
    """A person undoes while the freeze is on its way: what is due is settled."""
    handle, place = await opened_with(stage)
    await stage.world.until(handle, isolated)
    assert (await stage.world.say(handle, Verb.UNDO)).accepted
    faltering(stage).frozen.pop(place.namespace).set()
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    await stage.keep(handle)
    await stage.closes(handle)


async def tier_3_to_4(stage: Stage) -> None:
    """Certainty comes while steps are due: they wait for a person, and the isolation stands."""
    handle, place = await opened_with(stage)
    await stage.world.until(handle, isolated)
    worse = stage.world.event(place, confidence=0.99, technique="T1611")
    await handle.signal("events", stage.world.batch(handle.id, worse))
    waiting = await stage.asked(handle)
    faltering(stage).frozen.pop(place.namespace).set()
    await stage.world.until(handle, became("evict_pod", ActionState.STAGED))
    await stage.keep(handle)
    assert (await stage.answers(handle, Verb.APPROVE, waiting)).accepted
    await stage.world.until(handle, became("evict_pod", ActionState.DONE))
    await stage.closes(handle, undo=True)


async def tier_4_hold(stage: Stage) -> None:
    """Certain from the start: the isolation stands while a person is asked for the rest, and says no."""
    handle, _ = await opened(stage, confidence=0.99)
    waiting = await stage.asked(handle)
    await stage.world.until(handle, settled)
    await stage.keep(handle)
    assert (await stage.answers(handle, Verb.REJECT, waiting)).accepted
    await stage.closes(handle, undo=True)


async def held_past_its_bound(stage: Stage) -> None:
    """Nobody answers: extended once, and then held on by the hour."""
    place = await stage.world.place(owner="ReplicaSet")
    await budget(stage, place)
    handle = await stage.world.open(stage.world.event(place), extensions=1, holds_on=True)
    await stage.world.until(handle, settled)
    for hours in (24, 24, 1):
        await stage.passes(stage.owner(handle), timedelta(hours=hours, seconds=5))
        await stage.calm(handle)
    await stage.keep(handle)
    await stage.closes(handle, undo=True)


async def told_before_it_is_put_back(stage: Stage) -> None:
    """A mark is put back by itself; people are told a quarter of an hour before."""
    handle, _ = await opened(stage, confidence=0.7, lead_seconds=900)
    await stage.world.until(handle, settled)
    await stage.passes(stage.owner(handle), timedelta(hours=4) - timedelta(minutes=10))
    await stage.keep(handle)
    await stage.passes(stage.owner(handle), timedelta(minutes=11))
    await stage.world.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    await stage.closes(handle)


WHOLE: MappingProxyType[str, Case] = MappingProxyType(
    {
        case.__name__.replace("_", "-"): case
        for case in (
            tier_3_whole, tier_3_capture_fails, tier_3_budget, tier_3_asks_for_the_eviction,
            tier_3_cap_in_its_turn, tier_3_undone_between_turns, tier_3_to_4, tier_4_hold, held_past_its_bound,
            told_before_it_is_put_back,
        )
    }
)  # fmt: skip
"""By name, as files name them."""
