"""Replays recorded histories with the installed workflows, and says where a version would break them, and why.

A workflow that decides something else in a replay than what was recorded does not go on: its incident is stuck,
and with it what stands in the cluster.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Replayer

from workers.agent import BUILD_ID
from workflows.incident import IncidentWorkflow
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER

WORKFLOWS: tuple[type, ...] = (IncidentWorkflow, RemediationWorkflow)
"""Every workflow of ours."""

GUIDE = "docs/how-to/gate-a-deploy.md"
ADVICE = (
    'Put the change behind `if workflow.patched("what-changes"):` and leave the old way in the `else`, so that'
    f" runs which are recorded go on as they began; {GUIDE} says how and when it may be removed."
)
"""What to do about a version that breaks recorded runs."""

_SAID = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_NAMED = re.compile(r"'([^']+)'")


@dataclass(frozen=True, kw_only=True)
class Breach:
    """Where, and how, the workflow decides something else than what was recorded."""

    event: int
    """The event's id in the history: 1 is the start."""
    kind: str
    """Its type, as Temporal's UI shows it."""
    reason: str
    """What Temporal, or the workflow, says."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One run, replayed."""

    history: WorkflowHistory
    breach: Breach | None

    @property
    def workflow(self) -> str:
        """The type of the workflow."""
        return workflow_type(self.history)

    def told(self) -> str:
        """Return in one line what came of it."""
        what = f"{self.workflow} {self.history.workflow_id} ({len(self.history.events)} events)"
        if self.breach is None:
            return f"replays  {what}"
        return f"BREAKS   {what} at event {self.breach.event}, {self.breach.kind}: {self.breach.reason}"


def workflow_type(history: WorkflowHistory) -> str:
    """Return the type of the workflow that left this history."""
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def replayer(workflows: Sequence[type] = WORKFLOWS) -> Replayer:
    """Return what replays as the orchestrator runs: same sandbox, same converter."""
    return Replayer(
        workflows=workflows,
        workflow_runner=RUNNER,
        data_converter=pydantic_data_converter,
        build_id=BUILD_ID,
        runtime=_silent(),
    )


@cache
def _silent() -> Runtime:
    """Return a runtime that does not log: what fails is said once, by us."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


async def replay(
    histories: AsyncIterator[WorkflowHistory], workflows: Sequence[type] = WORKFLOWS
) -> AsyncIterator[Replayed]:
    """Replay each history in turn, with the installed workflows or with others."""
    replaying = replayer(workflows)
    async with replaying.workflow_replay_iterator(histories) as results:
        async for result in results:
            failure = result.replay_failure
            breach = await _breach(replaying, result.history, failure) if failure else None
            yield Replayed(history=result.history, breach=breach)


async def _breach(replaying: Replayer, history: WorkflowHistory, failure: Exception) -> Breach:
    """Return where a replay failed: at the event that Temporal names, else in the first task that fails alone."""
    said = _SAID.search(str(failure))
    reason = said[1].replace('\\"', '"').replace("\\'", "'") if said else str(failure)
    if "not registered" in reason:
        reason = f"this version has no {workflow_type(history)}"
        return Breach(event=1, kind=_kind(history.events[0]), reason=reason)
    numbered = _EVENT.search(reason)
    if numbered:
        event = history.events[int(numbered[1]) - 1]
    else:
        decided = await _first_failing(replaying, history)
        event = next((one for one in decided if _about(one, reason)), decided[0])
    return Breach(event=event.event_id, kind=_kind(event), reason=reason.removeprefix("[TMPRL1100] "))


async def _first_failing(replaying: Replayer, history: WorkflowHistory) -> Sequence[HistoryEvent]:
    """Return the events that the first task decided which does not replay."""
    ends = [
        number
        for number, event in enumerate(history.events)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    ends = [*ends[1:], len(history.events)]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        prefix = WorkflowHistory(history.workflow_id, history.events[: ends[middle]])
        result = await replaying.replay_workflow(prefix, raise_on_replay_failure=False)
        low, high = (low, middle) if result.replay_failure else (middle + 1, high)
    return history.events[ends[low - 1] if low else 0 : ends[low]]


def _about(event: HistoryEvent, reason: str) -> bool:
    """Return whether an event holds one of the names that are quoted in a reason."""
    names = {name.encode() for name in _NAMED.findall(reason)}
    return any(name in event.SerializeToString() for name in names)


def _kind(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    return name.title().replace("_", "")
