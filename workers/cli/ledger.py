"""Reads incidents from Temporal: the list from memos, one whole incident from its workflow."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio.client import Client, WorkflowExecution, WorkflowHistory, WorkflowQueryFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from signals.entities import ClusterRef
from signals.errors import FirebreakError, NotFound, Unavailable
from signals.incidents import Incident, IncidentState, Summary
from signals.subjects import INCIDENT_WORKFLOW, MEMO, REMEDIATION_WORKFLOW
from workers.cli.patience import SECONDS, patiently

T = TypeVar("T")

ANSWER = timedelta(seconds=5)
"""How long one call may take."""
WORKER_SECONDS = SECONDS
"""How long a worker that restarts is waited for."""
ASLEEP = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED,
          RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.RESOURCE_EXHAUSTED}  # fmt: skip
"""What a server or worker says that is restarting or busy."""


@dataclass(frozen=True)
class Found:
    """One incident. Not `whole`: its workflow cannot be asked, only the summary is known."""

    incident: Incident
    whole: bool = True


class Ledger:
    """All incidents of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        """Read through a connected client."""
        self._client = client

    @classmethod
    async def connect(cls, address: str, namespace: str, seconds: float = SECONDS) -> "Ledger":
        """Connect, waiting for a Temporal that restarts.

        Raises:
            Unavailable: nothing answers at that address.
        """

        async def attempt() -> Client:
            try:
                return await Client.connect(
                    address, namespace=namespace, data_converter=pydantic_data_converter
                )
            except RuntimeError as error:
                raise Unavailable(f"Temporal does not answer at {address}.") from error

        return cls(await patiently(attempt, seconds))

    async def summaries(self, namespace: str = "") -> tuple[Summary, ...]:
        """Return open and closed incidents, newest first; of one Kubernetes namespace when it is named."""
        query = f"WorkflowType = '{INCIDENT_WORKFLOW}'"
        if namespace:
            query += f" AND FirebreakNamespace = '{_quoted(namespace)}'"

        async def attempt() -> list[Summary]:
            rows = self._client.list_workflows(query, rpc_timeout=ANSWER)
            return [found async for row in rows if (found := await _summary(row)) is not None]

        found = await patiently(lambda: _translated(attempt))
        return tuple(sorted(found, key=lambda summary: (summary.opened_at, summary.id), reverse=True))

    async def find(self, incident: str, seconds: float = WORKER_SECONDS) -> Found:
        """Return one incident; only its summary where no worker can tell the rest within so many seconds.

        Raises:
            NotFound: there is no such incident.
        """
        try:
            return Found(await patiently(lambda: self.ask(incident), seconds))
        except Unavailable:
            return Found(await self._remembered(incident), whole=False)

    async def ask(self, incident: str) -> Incident:
        """Ask an incident's workflow once.

        Raises:
            NotFound: there is no such incident.
            Unavailable: no worker answers for it now.
        """
        handle = self._client.get_workflow_handle(incident)
        answer: Incident = await _translated(
            lambda: handle.query("incident", result_type=Incident, rpc_timeout=ANSWER), incident
        )
        return answer

    async def recorded(self, since: datetime) -> AsyncIterator[tuple[WorkflowExecution, WorkflowHistory]]:
        """Yield every run of ours with its history: all that are open, and those that ended since.

        Raises:
            Unavailable: Temporal does not answer.
        """
        query = (
            f"WorkflowType IN ('{INCIDENT_WORKFLOW}', '{REMEDIATION_WORKFLOW}')"
            f" AND (ExecutionStatus = 'Running' OR CloseTime >= '{since:%Y-%m-%dT%H:%M:%SZ}')"
        )

        async def listed() -> list[WorkflowExecution]:
            return [row async for row in self._client.list_workflows(query, rpc_timeout=ANSWER)]

        for row in await patiently(lambda: _translated(listed)):
            try:
                yield row, await self._history(row)
            except NotFound:
                continue  # its time in the server was up meanwhile

    async def _history(self, row: WorkflowExecution) -> WorkflowHistory:
        handle = self._client.get_workflow_handle(row.id, run_id=row.run_id)
        return await patiently(lambda: _translated(handle.fetch_history, row.id))

    async def _remembered(self, incident: str) -> Incident:
        handle = self._client.get_workflow_handle(incident)
        row = await _translated(lambda: handle.describe(rpc_timeout=ANSWER), incident)
        summary = await _summary(row)
        if summary is None:
            raise NotFound(_missing(incident))
        attributes = row.search_attributes.get("FirebreakCluster") or ("unknown",)
        return Incident(summary=summary, cluster=ClusterRef(name=str(attributes[0]), uid=""))


async def _summary(row: WorkflowExecution) -> Summary | None:
    summary: Summary | None = await row.memo_value(MEMO, None, type_hint=Summary)
    return summary


async def _translated(ask: Callable[[], Awaitable[T]], incident: str = "") -> T:
    try:
        return await ask()
    except WorkflowQueryFailedError as error:
        raise Unavailable(f"The workflow of {incident} cannot answer: {error}") from error
    except RPCError as error:
        raise _meaning(error, incident) from error
    except TimeoutError as error:
        raise Unavailable("Temporal did not answer in time.") from error


def _meaning(error: RPCError, incident: str) -> FirebreakError:
    if error.status is RPCStatusCode.NOT_FOUND and incident:
        return NotFound(_missing(incident))
    if error.status in ASLEEP:
        return Unavailable(f"Temporal or the orchestrator does not answer: {error.message}")
    return FirebreakError(f"Temporal refused: {error.message}")


def _missing(incident: str) -> str:
    return f"There is no incident “{incident}”. `firebreak incidents` lists all."


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def is_open(summary: Summary) -> bool:
    """Whether an incident is not over."""
    return summary.state is not IncidentState.CLOSED
