"""Replays every history that a run has produced: what the code decided then, it must decide again."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from signals.subjects import INCIDENT_WORKFLOW, REMEDIATION_WORKFLOW
from workflows.incident import IncidentWorkflow
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER


async def replayed(client: Client) -> tuple[int, dict[str, str]]:
    """Return how many histories of incidents and their stacks there are, open and closed, and which fail."""
    replayer = Replayer(
        workflows=[IncidentWorkflow, RemediationWorkflow],
        workflow_runner=RUNNER,
        data_converter=pydantic_data_converter,
    )
    runs = client.list_workflows(f"WorkflowType IN ('{INCIDENT_WORKFLOW}', '{REMEDIATION_WORKFLOW}')")
    count, failures = 0, {}
    async with replayer.workflow_replay_iterator(runs.map_histories()) as results:
        async for result in results:
            count += 1
            if result.replay_failure:
                failures[f"{result.history.workflow_id} {result.history.run_id}"] = str(result.replay_failure)
    return count, failures
