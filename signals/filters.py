"""Ready-made lists of incidents in Temporal's UI: a link for each question that people ask of a list."""

from urllib.parse import quote

from signals.incidents import IncidentState
from signals.subjects import INCIDENT_WORKFLOW

_INCIDENTS = f'WorkflowType="{INCIDENT_WORKFLOW}"'

WAITING = "waiting for a decision"
QUERIES = {
    "open": f'{_INCIDENTS} AND ExecutionStatus="Running"',
    WAITING: f'{_INCIDENTS} AND FirebreakState="{IncidentState.AWAITING_APPROVAL}"',
    "tier 3 and 4, open": f'{_INCIDENTS} AND ExecutionStatus="Running" AND FirebreakTier>=3',
    "contained": f'{_INCIDENTS} AND FirebreakState="{IncidentState.CONTAINED}"',
    "of one namespace": f'{_INCIDENTS} AND FirebreakNamespace="NAMESPACE"',
    "closed without a verdict": f'{_INCIDENTS} AND ExecutionStatus="Completed" AND FirebreakVerdict is null',
    "stuck: its code fails": "TemporalReportedProblems is not null",
}
"""By what they list. NAMESPACE is to be replaced; what was judged after its close has no verdict there."""


def filters(workflows: str) -> dict[str, str]:
    """Return a link to each list; `workflows` is the address of the UI's list of all workflows."""
    return {name: _link(workflows, query) for name, query in QUERIES.items()}


def _link(workflows: str, query: str) -> str:
    return f"{workflows}?query={quote(query)}"
