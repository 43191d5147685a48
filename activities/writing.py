"""The writes to the cluster: a plan is applied in order and reverted backwards, each write exactly.

Order is safety. Applied: our policy, then labels, then exclusions; between two of them the pod is under a
union, never more open than before. Reverted the other way round: no instant without a policy. Writes of one
kind that stand side by side in a plan form a phase and run at the same time. So whatever stands has all
earlier phases standing, however often apply or revert were interrupted; where it has not, somebody else was
there.
"""

import asyncio
import random
from contextlib import nullcontext
from itertools import groupby
from weakref import WeakValueDictionary

from activities import evicting, undoing
from activities.patches import backward, forward, unread
from activities.phases import every, phases
from activities.ports import Cluster
from activities.standing import State, look
from signals.errors import BadInput, Conflict, Drifted, NotFound, Refused, Unavailable
from signals.plans import ActionPlan, DryRun, Plan, Write, WriteKind

ATTEMPTS = 25
"""How often one write meets somebody else's before it gives up; a hundred cases may leave one policy at once."""

_LOCKS: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()


async def dry_runs(cluster: Cluster, plan: Plan) -> dict[str, tuple[DryRun, ...]]:
    """Send every write of all actions at once with `dryRun=All`; return the API server's answers by action.

    Raises:
        Unavailable: it did not say, about something that is to be written at once.
    """
    return await _dry_runs(cluster, plan, patient=True)


async def _dry_runs(cluster: Cluster, plan: Plan, *, patient: bool) -> dict[str, tuple[DryRun, ...]]:
    """Do so; `patient`: of what comes later it is enough to know that the server did not say."""
    writes = [write for action in plan.actions for write in action.writes]
    made = {str(write.ref) for write in writes if write.kind is WriteKind.CREATE}

    async def one(write: Write, *, later: bool) -> DryRun:
        if write.kind in (WriteKind.MARK, WriteKind.EXCLUDE) and str(write.ref) in made:
            return DryRun(write=str(write), accepted=True, message="on an object that this plan creates")
        try:
            await _apply(cluster, write, dry=True)
        except (Conflict, Refused, BadInput, NotFound) as error:
            return DryRun(write=str(write), accepted=False, message=str(error))
        except Unavailable as error:
            if not later:
                raise
            return DryRun(write=str(write), accepted=False, message=str(error))
        return DryRun(write=str(write), accepted=True)

    async def all_of(action: ActionPlan) -> tuple[DryRun, ...]:
        later = patient and action.action.deferred
        return tuple(await every(one(write, later=later) for write in action.writes))

    answers = await every(all_of(action) for action in plan.actions)
    return {action.action.id: told for action, told in zip(plan.actions, answers, strict=True)}


async def dry_run(cluster: Cluster, plan: Plan) -> tuple[DryRun, ...]:
    """Return the API server's answers to a dry run of all writes, in order.

    Raises:
        Unavailable: it did not say.
    """
    told = await _dry_runs(cluster, plan, patient=False)
    return tuple(answer for answers in told.values() for answer in answers)


async def stands(cluster: Cluster, plan: ActionPlan) -> bool:
    """Return whether everything of a plan stands.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    return all(sight.state is State.STANDS for sight in await every(look(cluster, w) for w in plan.writes))


async def apply(cluster: Cluster, plan: ActionPlan) -> None:
    """Write a plan, in order. What stands already is left alone, so it may be run again at any time.

    Raises:
        Drifted: an object is not what it was when the plan was made. Revert, then plan again.
        Conflict: a name or key of ours is taken by somebody else.
        NotFound: an object that the plan changes is gone. Revert, then plan again.
        Refused, BadInput, Unavailable: as the API server says.
    """
    for phase in phases(plan.writes):
        if phase[0].kind is WriteKind.EVICT:
            await evicting.evict(cluster, phase)
        else:
            await every(_apply(cluster, write, dry=False) for write in phase)


async def revert(cluster: Cluster, plan: ActionPlan, *, force: bool = False) -> None:
    """Put back everything that a plan wrote, in reverse order. May be run again at any time.

    What other pods of the same case still need (one policy serves a storm) is left to the last of them.
    With `force` our own marks are removed even where somebody else changed the object; their change stays.

    Raises:
        Drifted: somebody else changed what we wrote, or wrote on; nothing was reverted. The text names all.
        Unavailable, Refused: as the API server says.
    """
    sights = await undoing.own(cluster, plan)
    if not any(sight.state is State.STANDS for _, sight in sights):
        return
    drifts = [] if force else undoing.drifts(sights)
    if drifts:
        raise Drifted("; ".join(drifts))
    for _, phase in groupby(reversed(sights), key=lambda pair: pair[0]):
        await every(undo(cluster, sight.write, force=force) for _, sight in phase)


async def _apply(cluster: Cluster, write: Write, *, dry: bool) -> None:
    if write.kind is WriteKind.EVICT:
        await evicting.ask(cluster, write)
        return
    async with nullcontext() if dry else _alone(cluster, write):
        for attempt in range(ATTEMPTS):
            try:
                if attempt or write.kind is WriteKind.EXCLUDE:
                    await _read_and_write(cluster, write, dry=dry)
                else:
                    await _write_unread(cluster, write, dry=dry)
            except Drifted:
                raise
            except Conflict:
                await _pause(attempt)
            else:
                return
    raise Conflict(f"{write.ref} is changed too often by others")


async def _write_unread(cluster: Cluster, write: Write, *, dry: bool) -> None:
    """Write in the hope that nothing of it is there: a conflict where something is."""
    if write.kind is WriteKind.CREATE:
        await cluster.create(write.ref, write.manifest or {}, dry_run=dry)
    else:
        await cluster.patch(write.ref, unread(write), dry_run=dry)


async def _read_and_write(cluster: Cluster, write: Write, *, dry: bool) -> None:
    """Write what is missing, by what is there."""
    sight = await look(cluster, write)
    if sight.drift:
        raise Drifted(f"{sight.drift} since the plan was made")
    if sight.state is State.GONE:
        raise NotFound(f"{write.ref} is gone, or another object has its name now")
    if sight.state is State.STANDS:
        return
    if write.kind is WriteKind.CREATE:
        await cluster.create(write.ref, write.manifest or {}, dry_run=dry)
    elif sight.object:
        await cluster.patch(write.ref, forward(write, sight.object), dry_run=dry)


async def undo(cluster: Cluster, write: Write, *, force: bool) -> None:
    """Take back one write, whatever of it stands; nothing happens where nothing does.

    Raises:
        Drifted: somebody else changed what we wrote, and `force` is not said.
        Conflict: the object is changed too often by others.
        Unavailable, Refused: as the API server says.
    """
    async with _alone(cluster, write):
        for attempt in range(ATTEMPTS):
            sight = await look(cluster, write)
            there = sight.object
            if sight.state is not State.STANDS or there is None:
                return
            if sight.drift and not force:
                raise Drifted(sight.drift)
            try:
                if write.kind is WriteKind.CREATE:
                    await cluster.delete(write.ref.model_copy(update={"uid": there["metadata"]["uid"]}))
                else:
                    await cluster.patch(write.ref, backward(write, there))
            except NotFound:
                return
            except Conflict:
                await _pause(attempt)
            else:
                return
    raise Conflict(f"{write.ref} is changed too often by others")


def _alone(cluster: Cluster, write: Write) -> asyncio.Lock:
    """Return what lets the writers of one process at one object one by one, instead of into each other."""
    return _LOCKS.setdefault((cluster.ref.uid, str(write.ref)), asyncio.Lock())


async def _pause(attempt: int) -> None:
    """Wait a little, so that those who met each other do not meet again."""
    await asyncio.sleep(random.uniform(0, 0.01 * min(attempt + 1, 10)))  # noqa: S311 - no secret
