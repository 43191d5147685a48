"""Somebody with raw access to Temporal's frontend: they read all histories and speak to every workflow."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from signals.approvals import Approval, Verb
from signals.envelope import Signer
from signals.incidents import Incident
from signals.requests import Outcome, Stack, StackRequest
from signals.subjects import LIAISON, REMEDIATION_EXECUTOR

QUEUE = "intruder"


@workflow.defn(name="Foreign", sandboxed=False)
class Foreign:
    """A workflow that is none of ours and uses an activity of ours."""

    @workflow.run
    async def run(self, name: str, queue: str, request: dict[str, Any]) -> Any:
        return await workflow.execute_activity(
            name,
            request,
            task_queue=queue,
            schedule_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@dataclass(frozen=True)
class Intruder:
    """What they can do."""

    temporal: Client

    async def asks(self, name: str, request: BaseModel, queue: str = REMEDIATION_EXECUTOR) -> Any:
        """Use an activity of ours from a workflow of their own; return its answer, or its refusal in words."""
        try:
            return await self.temporal.execute_workflow(
                Foreign.run,
                args=[name, queue, request.model_dump(mode="json")],
                id=f"foreign-{uuid.uuid4().hex}",
                task_queue=QUEUE,
            )
        except WorkflowFailureError as error:
            failed = error.cause
            return f"refused: {failed.cause if isinstance(failed, ActivityError) else failed}"

    async def outcome(self, request: BaseModel) -> Outcome | str:
        """Have a decision carried out."""
        answer = await self.asks("apply_plan", request)
        return answer if isinstance(answer, str) else Outcome.model_validate(answer)

    async def overheard(self, workflow_id: str, verb: Verb) -> Approval:
        """Return a signed command that stands in a history."""
        history = await self.temporal.get_workflow_handle(workflow_id).fetch_history()
        for event in history.events:
            said = event.workflow_execution_update_accepted_event_attributes.accepted_request
            for payload in said.input.args.payloads:
                found = Approval.model_validate(json.loads(payload.data))
                if found.verb is verb:
                    return found
        raise AssertionError(f"nobody said {verb} to {workflow_id}")

    def forged(self, incident: Incident, verb: Verb, **given: Any) -> Approval:
        """Return a command that is signed by a key of their own."""
        fields: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "cluster": incident.cluster,
            "verb": verb,
            "incident": incident.summary.id,
            "actor": "lead",
            "role": "lead",
            "said_at": datetime.now(UTC),
        }
        return Signer(LIAISON, Ed25519PrivateKey.generate()).seal(Approval(**fields | given))

    @asynccontextmanager
    async def impostor(self, name: str, answer: Stack) -> AsyncIterator[asyncio.Event]:
        """Poll the executor's own queue beside it, and answer one of its activities; yield when that was done."""
        from temporalio import activity

        lied = asyncio.Event()

        @activity.defn(name=name)
        async def lie(_: dict[str, Any]) -> Stack:
            lied.set()
            return answer

        async with Worker(self.temporal, task_queue=REMEDIATION_EXECUTOR, activities=[lie]):
            yield lied


@asynccontextmanager
async def intruding(temporal: Client) -> AsyncIterator[Intruder]:
    """Yield somebody who has Temporal's address and nothing else."""
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal, task_queue=QUEUE, workflows=[Foreign], workflow_runner=runner):
        yield Intruder(temporal)


def stack_of(incident: Incident) -> StackRequest:
    """Return the stack of an incident, as its own workflow names it."""
    receipts = tuple(receipt for receipt in incident.receipts if receipt.state.stands)
    return StackRequest(incident=incident.summary.id, cluster=incident.cluster, receipts=receipts)
