"""Asks every probe about an incident's subjects, and folds what they answer into one evidence graph."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from temporalio import activity

from activities.kept import keep
from activities.ports import Cluster, Manifest, Resource
from activities.probe import Answer, Probe, Reads
from activities.witnesses import LOOKBACK, Ask, hear
from signals.entities import ClusterRef, Entity
from signals.errors import FirebreakError
from signals.incidents import Investigation
from signals.plans import ObjectRef
from signals.requests import InvestigationRequest

PATIENCE = 10.0
"""Seconds that one probe may take; what is slower is said to be missing."""
MOST_SUBJECTS = 20
"""Subjects that are asked about; a storm has more, and they resemble each other."""

T = TypeVar("T")


class Investigating:
    """Collects evidence as one identity that can only read."""

    def __init__(
        self,
        cluster: Cluster,
        probes: Mapping[str, Probe],
        witnesses: Mapping[str, Ask] | None = None,
        past: Ask | None = None,
        state: Ask | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the API server as the investigator's own identity, the probes, and who watches.

        `past` keeps an incident's slice of the past, `state` says what was at a moment.
        """
        # Loads networkx: not for workflows, which import this module for the method's name alone.
        from activities.blast import radius
        from activities.graph.evidence import fold

        self._cluster = cluster
        self._probes = probes
        self._witnesses = witnesses or {}
        self._past = past
        self._state = state
        self._now = now
        self._fold = fold
        self._radius = radius

    @activity.defn
    async def collect_evidence(self, request: InvestigationRequest) -> Investigation:
        """Return what can be seen around the subjects, and what was seen of them before.

        A probe that fails, or an agent that does not answer, is a line in `missing`.
        """
        if request.cluster != self._cluster.ref:
            return Investigation(missing=(f"nothing was asked: {request.cluster} is not our cluster",))
        subjects = request.subjects[:MOST_SUBJECTS]
        now = self._now()
        since = (request.since or now) - LOOKBACK
        hearing = asyncio.create_task(hear(self._witnesses, subjects, since, now))
        keeping = asyncio.create_task(keep(self._past, request.incident, subjects, since, now))
        sight = Sight(self._cluster)
        questions = [
            (probe, subject)
            for subject in subjects
            for probe in self._probes.values()
            if subject.kind in probe.about
        ]
        reaching = asyncio.create_task(
            self._radius(sight, subjects, request.plan, self._state, request.since)
        )
        try:
            answers = await asyncio.gather(
                *(_ask(probe, sight, subject) for probe, subject in questions), return_exceptions=True
            )
            reached = await reaching
            kept = await keeping
            heard = [*await hearing, *([kept] if kept != Answer() else [])]  # who was not asked is no witness
        finally:
            reaching.cancel()
            hearing.cancel()
            keeping.cancel()
            await sight.close()
        said = [_answer(*question, answer) for question, answer in zip(questions, answers, strict=True)]
        said += heard
        found = self._fold(subjects, [*said, _unasked(request, self._probes.values())])
        whole = sum(not answer.missing for answer in said)
        confidence = round(whole / len(said), 2) if said else 1.0
        return found.model_copy(update={"blast_radius": reached, "confidence": confidence})


class Sight:
    """The cluster as one investigation sees it: each thing is read once, and nothing can be written."""

    def __init__(self, cluster: Cluster) -> None:
        """Look through one identity."""
        self._cluster = cluster
        self._seen: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._cluster.ref

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object, as it was when it was first asked for."""
        return await self._once(("get", ref), lambda: self._cluster.get(ref))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind, as they were when they were first asked for."""
        asked = ("list", resource, namespace, labels)
        return await self._once(asked, lambda: self._cluster.list(resource, namespace, labels))

    async def close(self) -> None:
        """Stop what is still being read."""
        for reading in self._seen.values():
            reading.cancel()
        await asyncio.gather(*self._seen.values(), return_exceptions=True)

    async def _once(self, asked: tuple[Any, ...], read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if asked not in self._seen:
            self._seen[asked] = asyncio.create_task(read())
        # One probe's deadline must not cancel what the others wait for.
        found: T = await asyncio.shield(self._seen[asked])
        return found


async def _ask(probe: Probe, cluster: Reads, subject: Entity) -> Answer:
    async with asyncio.timeout(PATIENCE):
        return await probe.ask(cluster, subject)


def _answer(probe: Probe, subject: Entity, answer: Answer | BaseException) -> Answer:
    """Return the answer, or why there is none; a probe with a defect costs its own answer only."""
    match answer:
        case Answer():
            return answer
        case TimeoutError():
            reason = f"no answer within {PATIENCE:g} s"
        case FirebreakError():
            reason = str(answer)
        case Exception():
            # What a defect says may quote the object that it tripped over.
            reason = f"the probe failed with {type(answer).__name__}"
        case _:
            raise answer
    return Answer(missing=(f"{probe.name} of {subject}: {reason}",))


def _unasked(request: InvestigationRequest, probes: Iterable[Probe]) -> Answer:
    """Return what could not even be asked."""
    kinds = {kind for probe in probes for kind in probe.about}
    missing = [
        f"{subject}: no probe looks at a thing of kind {subject.kind}"
        for subject in request.subjects[:MOST_SUBJECTS]
        if subject.kind not in kinds
    ]
    left = len(request.subjects) - MOST_SUBJECTS
    if left > 0:
        missing.append(f"{left} more subjects were not asked about")
    return Answer(missing=tuple(missing))
