"""The only writes to the cluster: a plan is applied in order and reverted backwards, each write exactly.

Order is safety. Applied: our policy, then labels, then exclusions; between two of them the pod is under a
union, never more open than before. Reverted the other way round: no instant without a policy. Writes of one
kind that stand side by side in a plan form a phase and run at the same time. So whatever stands has all
earlier phases standing, however often apply or revert were interrupted; where it has not, somebody else was
there.
"""

import asyncio
import random
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from activities.graph.network_policy import matches
from activities.patches import backward, escaped, forward, same_uid
from activities.ports import PODS, Cluster, Manifest
from activities.standing import Sight, State, look, moment, retold
from signals.errors import BadInput, Conflict, Drifted, NotFound, Refused
from signals.plans import ActionPlan, DryRun, ObjectRef, Plan, Write, WriteKind
from signals.subjects import EXPIRES_AT

ATTEMPTS = 25
"""How often one write meets somebody else's before it gives up; a hundred cases may leave one policy at once."""

RELEASING = "releasing"
"""In the place of an expiry: the sweeper is putting it back."""

T = TypeVar("T")


def phases(writes: Sequence[Write]) -> list[tuple[Write, ...]]:
    """Return writes that may run at the same time, in order."""
    return [tuple(group) for _, group in groupby(writes, key=lambda write: write.kind)]


async def every(work: Iterable[Awaitable[T]]) -> list[T]:
    """Wait for all, then raise the first error: no write is ever left running behind an error."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in done if not isinstance(outcome, BaseException)]


async def dry_run(cluster: Cluster, plan: Plan) -> tuple[DryRun, ...]:
    """Send every write of all actions at once with `dryRun=All`; return what the API server says to each.

    Raises:
        Unavailable: it did not say.
    """
    writes = [write for action in plan.actions for write in action.writes]
    made = {str(write.ref) for write in writes if write.kind is WriteKind.CREATE}

    async def one(write: Write) -> DryRun:
        if write.kind is not WriteKind.CREATE and str(write.ref) in made:
            return DryRun(write=str(write), accepted=True, message="on an object that this plan creates")
        try:
            await _apply(cluster, write, dry=True)
        except (Conflict, Refused, BadInput, NotFound) as error:
            return DryRun(write=str(write), accepted=False, message=str(error))
        return DryRun(write=str(write), accepted=True)

    return tuple(await every(one(write) for write in writes))


async def apply(cluster: Cluster, plan: ActionPlan) -> None:
    """Write a plan, in order. What stands already is left alone, so it may be run again at any time.

    Raises:
        Drifted: an object is not what it was when the plan was made. Revert, then plan again.
        Conflict: a name or key of ours is taken by somebody else.
        NotFound: an object that the plan changes is gone. Revert, then plan again.
        Refused, BadInput, Unavailable: as the API server says.
    """
    for phase in phases(plan.writes):
        await every(_apply(cluster, write, dry=False) for write in phase)


async def revert(cluster: Cluster, plan: ActionPlan, *, force: bool = False) -> None:
    """Put back everything that a plan wrote, in reverse order. May be run again at any time.

    What other pods of the same case still need (one policy serves a storm) is left to the last of them.
    With `force` our own marks are removed even where somebody else changed the object; their change stays.

    Raises:
        Drifted: somebody else changed what we wrote, or wrote on; nothing was reverted. The text names all.
        Unavailable, Refused: as the API server says.
    """
    sights = await _own(cluster, plan)
    if not any(sight.state is State.STANDS for _, sight in sights):
        return
    drifts = [] if force else _drifts(sights)
    if drifts:
        raise Drifted("; ".join(drifts))
    for _, phase in groupby(reversed(sights), key=lambda pair: pair[0]):
        await every(undo(cluster, sight.write, force=force) for _, sight in phase)


async def extend(cluster: Cluster, writes: Sequence[Write], expires_at: datetime) -> None:
    """Write another expiry on everything of these writes that carries one.

    Raises:
        Conflict: it is being released in this very moment, or somebody else wrote first.
        NotFound, Refused, Unavailable: as the API server says.
    """
    for sight in await every(look(cluster, write) for write in writes):
        if sight.state is State.STANDS and sight.object:
            await _stamp(cluster, sight.write.ref, sight.object, moment(expires_at))


async def claim(cluster: Cluster, writes: Sequence[Write]) -> None:
    """Say on everything of these writes that it is being released, so that nobody extends it any more.

    Raises:
        Conflict: somebody has extended it in this very moment.
        Refused, Unavailable: as the API server says.
    """
    for sight in await every(look(cluster, write) for write in writes):
        if sight.state is State.STANDS and sight.object:
            await _stamp(cluster, sight.write.ref, sight.object, RELEASING)


async def _stamp(cluster: Cluster, ref: ObjectRef, there: Manifest, value: str) -> None:
    """Put a value in the place of every expiry that an object tells, if nobody else has since it was read."""
    operations: list[Manifest] = []
    for key, told in (there["metadata"].get("annotations") or {}).items():
        new = value if key == EXPIRES_AT else retold(key, told, value)
        if RELEASING in told and value != RELEASING:
            raise Conflict(f"{ref} is being released")
        if new != told:
            path = f"/metadata/annotations/{escaped(key)}"
            operations += [
                {"op": "test", "path": path, "value": told},
                {"op": "replace", "path": path, "value": new},
            ]
    if operations:
        await cluster.patch(ref, [same_uid(there), *operations])


async def _own(cluster: Cluster, plan: ActionPlan) -> list[tuple[int, Sight]]:
    """Return what stands of a plan, by phase, less what other pods of its case need."""
    writes = [(number, write) for number, phase in enumerate(phases(plan.writes)) for write in phase]
    sights = await every(look(cluster, write) for _, write in writes)
    own = {write.ref.uid for write in plan.writes if write.kind is WriteKind.MARK}
    marked = await _marked_pods(cluster, plan.writes)
    others = [pod for pod in marked if pod["metadata"]["uid"] not in own]
    return [
        (number, sight)
        for (number, _), sight in zip(writes, sights, strict=True)
        if sight.state is not State.GONE and not _needed(sight, others)
    ]


async def _marked_pods(cluster: Cluster, writes: Sequence[Write]) -> list[Manifest]:
    """Return every pod that carries the mark by which a plan's policies select."""
    wanted = {
        (write.ref.namespace, f"{key}={value}")
        for write in writes
        if write.kind is WriteKind.CREATE and write.manifest
        for key, value in write.manifest["spec"]["podSelector"]["matchLabels"].items()
    }
    found = await every(cluster.list(PODS, namespace, labels) for namespace, labels in sorted(wanted))
    return [pod for pods in found for pod in pods]


def _needed(sight: Sight, others: Sequence[Manifest]) -> bool:
    """Return whether another pod of the case still needs what one write did."""
    write, there = sight.write, sight.object
    near = [pod for pod in others if pod["metadata"]["namespace"] == write.ref.namespace]
    if write.kind is WriteKind.CREATE:
        return bool(near)
    if write.kind is WriteKind.MARK or there is None:
        return False
    selector = there["spec"].get("podSelector") or {}
    terms = [term for term in selector.get("matchExpressions") or [] if term["key"] != write.key]
    left = {**selector, "matchExpressions": terms}
    return any(matches(left, pod["metadata"].get("labels") or {}) for pod in near)


def _drifts(sights: Sequence[tuple[int, Sight]]) -> list[str]:
    """Return what somebody else did to what we wrote, in words."""
    found = [sight.drift for _, sight in sights if sight.drift]
    last = max(phase for phase, sight in sights if sight.state is State.STANDS)
    for phase, sight in sights:
        if sight.state is State.ABSENT and not sight.drift and phase < last:
            what = "was deleted" if sight.write.kind is WriteKind.CREATE else "lost our mark"
            found.append(f"{sight.write.ref} {what}, not by us")
    return found


async def _apply(cluster: Cluster, write: Write, *, dry: bool) -> None:
    for attempt in range(ATTEMPTS):
        sight = await look(cluster, write) if write.kind is not WriteKind.CREATE or attempt else None
        if sight and sight.state is State.STANDS and not sight.drift:
            return
        if sight:
            _may_write(sight)
        try:
            if write.kind is WriteKind.CREATE:
                await cluster.create(write.ref, write.manifest or {}, dry_run=dry)
            elif sight and sight.object:
                await cluster.patch(write.ref, forward(write, sight.object), dry_run=dry)
            return
        except Conflict:
            await _pause(attempt)
    raise Conflict(f"{write.ref} is changed too often by others")


def _may_write(sight: Sight) -> None:
    if sight.state is State.GONE:
        raise NotFound(f"{sight.write.ref} is gone, or another object has its name now")
    if sight.drift and sight.write.kind is WriteKind.EXCLUDE:
        raise Drifted(f"{sight.drift} since the plan was made")
    if sight.drift:
        raise Conflict(sight.drift)


async def undo(cluster: Cluster, write: Write, *, force: bool) -> None:
    """Take back one write, whatever of it stands; nothing happens where nothing does.

    Raises:
        Drifted: somebody else changed what we wrote, and `force` is not said.
        Conflict: the object is changed too often by others.
        Unavailable, Refused: as the API server says.
    """
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
            return
        except NotFound:
            return
        except Conflict:
            await _pause(attempt)
    raise Conflict(f"{write.ref} is changed too often by others")


async def _pause(attempt: int) -> None:
    """Wait a little, so that those who met each other do not meet again."""
    await asyncio.sleep(random.uniform(0, 0.01 * min(attempt + 1, 10)))  # noqa: S311 - no secret
