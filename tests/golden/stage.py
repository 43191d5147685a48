"""Where a case plays, and what it keeps of it: the histories, open and closed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.memory import MemoryCluster
from activities.ports import PODS, Manifest
from signals.approvals import Answer, Verb
from signals.entities import Entity
from signals.errors import Unavailable
from signals.incidents import Incident, WaitingFor
from signals.pages import Page
from signals.plans import ObjectRef
from signals.subjects import remediation_id
from tests.workflows.world import CLUSTER, Pages, Place, World

Handle = WorkflowHandle[Any, Any]

CLOSING = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}


class Faltering(MemoryCluster):
    """A cluster whose API server can be told to fail."""

    def __init__(self) -> None:
        super().__init__(CLUSTER)
        self.failures = 0
        self.frozen: dict[str, asyncio.Event] = {}
        """Namespaces in which a freeze takes its time."""
        self.blind: set[str] = set()
        """Namespaces in which nothing can be captured."""

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if ref.resource == "captures":
            return self._captured(manifest)
        if ref.resource == "freezes" and not dry_run and manifest["spec"]["namespace"] in self.frozen:
            await self.frozen[manifest["spec"]["namespace"]].wait()
        if self.failures and not dry_run:
            self.failures -= 1
            raise Unavailable("the API server is restarting")
        return await super().create(ref, manifest, dry_run=dry_run)

    def _captured(self, manifest: Manifest) -> Manifest:
        if any(target["namespace"] in self.blind for target in manifest["spec"]["targets"]):
            raise Unavailable("the capturer does not answer")
        item = {"name": "log", "what": "log of container web", "sha256": "ab", "size": 3}
        return {"status": {"items": [item], "manifest": "cd"}}


class Slow(Pages):
    """A channel that can be told to take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    async def send(self, page: Page) -> None:
        await asyncio.sleep(self.seconds)
        await super().send(page)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One history, as a file of the goldens."""

    workflow: str
    case: str
    closed: bool
    history: WorkflowHistory

    @property
    def file(self) -> str:
        """Its path below the folder of the goldens."""
        return f"{self.workflow}/{self.case}.{'closed' if self.closed else 'open'}.json.gz"


@dataclass
class Stage:
    """One case in one world."""

    world: World
    case: str
    kept: dict[str, Kept] = field(default_factory=dict)

    async def keep(self, handle: Handle, moment: str = "") -> None:
        """Keep what an incident and the owner of its stack have recorded by now; what is kept already stays.

        The second and later runs of one workflow, and named moments, are cases of their own.
        """
        await self.calm(handle)
        for one in (handle, self.owner(handle)):
            runs = [run async for run in self._runs(one)]
            for number, history in enumerate(reversed(runs), 1):
                names = [self.case, *([moment] if moment else []), *([str(number)] if len(runs) > 1 else [])]
                started = history.events[0].workflow_execution_started_event_attributes
                kept = Kept(
                    workflow=started.workflow_type.name,
                    case="-".join(names),
                    closed=history.events[-1].event_type in CLOSING,
                    history=history,
                )
                self.kept.setdefault(kept.file, kept)

    async def _runs(self, handle: Handle) -> AsyncIterator[WorkflowHistory]:
        """Yield the history of the latest run, then those before it."""
        run: str | None = None
        while run != "":
            try:
                history = await self.world.client.get_workflow_handle(handle.id, run_id=run).fetch_history()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return
                raise
            yield history
            run = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id

    async def calm(self, handle: Handle) -> None:
        """Wait until nothing moves any more."""
        before: list[int] = []
        while True:
            lengths = []
            for one in (handle, self.owner(handle)):
                try:
                    lengths.append((await one.describe()).history_length)
                except RPCError as error:
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise
            if lengths == before:
                return
            before = lengths
            await asyncio.sleep(0.4)

    async def pod(self, place: Place, name: str) -> Entity:
        """Make one more pod like the first of a place."""
        like = {key: place.pod[key] for key in ("apiVersion", "kind", "spec", "status")}
        body = {**like, "metadata": {"labels": place.pod["metadata"]["labels"]}}
        made = await self.world.cluster.create(PODS.ref(name, place.namespace), body)
        return place.subject.model_copy(update={"name": name, "uid": made["metadata"]["uid"]})

    def owner(self, handle: Handle) -> Handle:
        """Return the workflow that owns an incident's stack."""
        return self.world.client.get_workflow_handle(remediation_id(handle.id))

    async def passes(self, handle: Handle, time: timedelta) -> None:
        """Let time pass: for one workflow, and for the executor."""
        self.world.clock.ahead += time
        await self.world.environment.fast_forward(handle, time)

    async def asked(self, handle: Handle) -> WaitingFor:
        """Return the question that waits, once one does."""
        incident = await self.world.until(handle, lambda one: one.summary.waiting_for is not None)
        assert incident.summary.waiting_for
        return incident.summary.waiting_for

    async def answers(self, handle: Handle, verb: Verb, waiting: WaitingFor) -> Answer:
        """Answer a question as a person."""
        return await self.world.say(
            handle,
            verb,
            role=waiting.roles[-1],
            plan_hash=waiting.plan_hash,
            target_uids=waiting.target_uids,
        )

    async def closes(self, handle: Handle, **given: Any) -> None:
        """Close an incident as a person, and keep all of it."""
        answer = await self.world.say(handle, Verb.CLOSE, **given)
        assert answer.accepted, answer
        await handle.result()
        await self.keep(handle)


def answered(incident: Incident) -> bool:
    """Whether nobody is asked any more."""
    return incident.summary.waiting_for is None
