"""Replays every history that a run has produced: what the code decided then, it must decide again."""

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHistory

from signals.subjects import INCIDENT_WORKFLOW, REMEDIATION_WORKFLOW
from workers.replaying import replay


async def replayed(client: Client) -> tuple[int, dict[str, str]]:
    """Return how many histories of incidents and their stacks there are, open and closed, and which fail."""
    runs = client.list_workflows(f"WorkflowType IN ('{INCIDENT_WORKFLOW}', '{REMEDIATION_WORKFLOW}')")
    count, failures = 0, {}
    async for result in replay(runs.map_histories()):
        count += 1
        if result.breach and not _was_reset(result.history):
            failures[f"{result.history.workflow_id} {result.history.run_id}"] = result.told()
    return count, failures


def _was_reset(history: WorkflowHistory) -> bool:
    """Return whether somebody reset this run from outside, as an intruder does in a test.

    The server then admits its updates anew, and the SDK takes those in another order live than in a replay.
    """
    return any(
        event.workflow_task_failed_event_attributes.cause
        == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
        for event in history.events
    )
