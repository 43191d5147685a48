"""How far an incident could reach: the reachability engine, over what was at the first signal and what is now.

What was is the context store's word; without it, only now is known. What is reached at one of the two moments is
listed. Nothing that is not known ever fails an investigation.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from activities.graph.cut import planned, unplanned
from activities.graph.documents import Document
from activities.graph.edges import Certainty
from activities.graph.manifests import Snapshot, gather
from activities.graph.paths import Reached
from activities.graph.reach import Reach, Result
from activities.graph.world import World
from activities.probe import Reads
from activities.survey import READ, survey
from activities.then import Ask, Then, then
from signals.blast import BlastRadius, Reachable, When
from signals.entities import Entity
from signals.errors import FirebreakError
from signals.plans import Plan

PATIENCE = 20.0
"""Seconds for all of it; a cluster that is too large for that is said to be missing."""
MOST_REACHED = 100
"""Things that one incident's history keeps; the rest is counted."""
MOST_MISSING = 50
_KINDS = {
    "Pod": "pod",
    "ServiceAccount": "sa",
    "Node": "node",
    "User": "user",
    "Group": "group",
    "Secret": "secret",
}


async def radius(
    cluster: Reads,
    subjects: Sequence[Entity],
    plan: Plan | None = None,
    past: Ask | None = None,
    at: datetime | None = None,
) -> BlastRadius:
    """Return what could be reached from the subjects, and what is left of it with the plan carried out.

    With `past`, it is what could be reached at `at` and what can be now; else only what can be now.
    """
    starts = tuple(dict.fromkeys(start for subject in subjects if (start := _start(subject))))
    try:
        async with asyncio.timeout(PATIENCE):
            asked = past and at and then(past, at, [kind for kind, _ in READ])
            (found, missing), was = await asyncio.gather(survey(cluster), asked or _nothing())
            return await asyncio.to_thread(_radius, found, starts, plan, missing, was)
    except TimeoutError:
        return _unknown(starts, f"what could be reached was not found out within {PATIENCE:g} s")
    except FirebreakError as error:
        return _unknown(starts, f"what could be reached is not known: {error}")
    except Exception as error:  # noqa: BLE001 (a defect here must not cost the whole investigation)
        return _unknown(starts, f"what could be reached is not known: it failed with {type(error).__name__}")


async def _nothing() -> None:
    """Return that no past was asked for."""


def _unknown(starts: tuple[str, ...], why: str) -> BlastRadius:
    return BlastRadius(starts=starts, counts={}, missing=(why,))


def _start(subject: Entity) -> str | None:
    """Return how the engine calls a subject; None for a kind that it does not know."""
    kind = _KINDS.get(subject.kind)
    return kind and "/".join(part for part in (kind, subject.namespace, subject.name) if part)


def _before(was: Then, live: Sequence[Document]) -> Snapshot:
    """Return the snapshot of the past, with those Freezes of now that stood already: nobody remembers them."""
    moment = was.at.isoformat(timespec="seconds").replace("+00:00", "Z")
    frozen = [
        one
        for one in live
        if one.value["kind"] == "Freeze" and one.value["metadata"].get("creationTimestamp", "") <= moment
    ]
    return gather([*(Document(item, "the context store", 0) for item in was.items), *frozen])


@dataclass(frozen=True)
class _Moments:
    """What is reached then and now, by the best way of each; `rows` has both."""

    then: Mapping[str, Reached] | None
    now: Mapping[str, Reached]

    @property
    def rows(self) -> list[Reached]:
        found = {**self.now}
        for entity, row in (self.then or {}).items():
            if entity not in found or _rank(row) < _rank(found[entity]):
                found[entity] = row
        return sorted(found.values(), key=lambda row: (*_rank(row), row.entity))

    def when(self, row: Reached) -> When | None:
        if self.then is None or (row.entity in self.then and row.entity in self.now):
            return None
        return When.THEN if row.entity in self.then else When.NOW


def _radius(
    live: Sequence[Document],
    starts: tuple[str, ...],
    plan: Plan | None,
    missing: Sequence[str],
    was: Then | None,
) -> BlastRadius:
    actions, snapshot = plan.actions if plan else (), gather(live)
    now = _asked(unplanned(snapshot, actions).snapshot, starts, missing)
    before = _asked(_before(was, live), starts, was.missing) if was and not was.why else None
    after = _asked(planned(snapshot, actions).snapshot, starts, missing) if actions else None
    moments = _Moments(None if before is None else _nearest(before), _nearest(now))
    tiers = _best(after or [])
    rows = moments.rows
    of = Counter(moments.when(row) for row in rows)
    admin = [one.cluster_admin.certainty for one in (*(before or ()), *now) if one.cluster_admin]
    told = [*_doubts(was, before, starts), *_gaps(now, starts)]
    return BlastRadius(
        starts=starts,
        counts=dict(sorted(Counter(str(row.certainty) for row in rows).items())),
        cluster_admin=str(min(admin)) if admin else None,
        reached=tuple(_told(row, tiers.get(row.entity), moments.when(row)) for row in rows[:MOST_REACHED]),
        planned=after is not None,
        left=dict(sorted(Counter(tiers.values()).items())),
        at=was.at if was and before is not None else None,
        gone=of[When.THEN],
        gained=of[When.NOW],
        missing=(
            *told[:MOST_MISSING],
            *([f"{len(told) - MOST_MISSING} more lines"] if len(told) > MOST_MISSING else []),
        ),
    )


def _gaps(results: Sequence[Result], starts: Sequence[str]) -> list[str]:
    there = {one.start for one in results}
    gone = [f"{start} is not there any more" for start in starts if start not in there]
    return [*gone, *dict.fromkeys(line for result in results for line in result.missing)]


def _doubts(was: Then | None, before: Sequence[Result] | None, starts: Sequence[str]) -> list[str]:
    """Return what is not certain about the moment of the first signal."""
    if was is None:
        return []
    if before is None:
        return [f"it is of now alone, not of the first signal: {was.why}"]
    there = {one.start for one in before}
    gone = [f"{start} was not there at {was.at:%H:%M:%S}" for start in starts if start not in there]
    return [*gone, *(f"at {was.at:%H:%M:%S}, {line}" for line in was.missing)]


def _asked(snapshot: Snapshot, starts: Sequence[str], missing: Sequence[str]) -> list[Result]:
    reach = Reach(
        World(snapshot, missing=missing, extra=[one for one in starts if one.startswith(("user/", "group/"))])
    )
    found = (reach.ask_anyway(start) for start in starts)
    return [result for result in found if result.there]


def _nearest(results: Sequence[Result]) -> dict[str, Reached]:
    """Return everything within the cluster that is reached from any start, by its best way."""
    found: dict[str, Reached] = {}
    starts = {result.start for result in results}
    for result in results:
        for row in result.reached:
            known = found.get(row.entity)
            better = known is None or _rank(row) < _rank(known)
            if better and row.entity not in starts and not row.entity.startswith("ip/"):
                found[row.entity] = row
    return found


def _rank(row: Reached) -> tuple[Certainty, int]:
    return row.certainty, row.hops


def _best(results: Sequence[Result]) -> dict[str, str]:
    return {entity: str(row.certainty) for entity, row in _nearest(results).items()}


def _told(row: Reached, still: str | None, when: When | None) -> Reachable:
    return Reachable(
        entity=row.entity,
        tier=str(row.certainty),
        hops=row.hops,
        steps=tuple(hop.edge.value for hop in row.path),
        by=row.path[-1].granted.object,
        conditions=row.conditions,
        still=still,
        when=when,
    )
