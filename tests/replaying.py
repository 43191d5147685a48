"""Replays every history that a run has produced: what the code decided then, it must decide again."""

from temporalio.client import Client

from signals.subjects import INCIDENT_WORKFLOW, REMEDIATION_WORKFLOW
from workers.replaying import replay


async def replayed(client: Client) -> tuple[int, dict[str, str]]:
    """Return how many histories of incidents and their stacks there are, open and closed, and which fail."""
    runs = client.list_workflows(f"WorkflowType IN ('{INCIDENT_WORKFLOW}', '{REMEDIATION_WORKFLOW}')")
    count, failures = 0, {}
    async for result in replay(runs.map_histories()):
        count += 1
        if result.breach:
            failures[f"{result.history.workflow_id} {result.history.run_id}"] = result.told()
    return count, failures
