"""What a drill reads in an incident: whether it is busy, what stands, how fast it was, why it is not further."""

from signals.incidents import Incident, IncidentState, Summary
from signals.receipts import ActionState, Receipt
from signals.words import EXPIRIES
from workers.cli.drill.scenario import Scenario
from workers.cli.words import span

PENDING = (ActionState.APPLIED, ActionState.DUE)
"""States of actions that something is still to become of, by itself."""


def busy(incident: Incident) -> bool:
    """Return whether something is still to come by itself."""
    return any(action.state in PENDING for action in incident.summary.actions)


def standing(incident: Incident) -> list[str]:
    """Return the types of the actions that stand."""
    return [action.type for action in incident.summary.actions if action.state.stands]


def of_crowd(summary: Summary, scenario: Scenario) -> bool:
    """Return whether an open incident is about a pod of the workload that a scenario attacks."""
    mine = f"pod/{scenario.namespace}/{scenario.app}-"
    return summary.state is not IncidentState.CLOSED and any(e.startswith(mine) for e in summary.entities)


def until_when(receipt: Receipt) -> str:
    """Return in words how long an action stands."""
    if not receipt.state.stands:
        return f"Nothing: {receipt.reason}." if receipt.reason else "Nothing. It is over."
    return f"Nothing. It stands for {span(receipt.action.ttl_seconds)}; then {EXPIRIES[receipt.on_expiry]}."


def speed(incident: Incident) -> str:
    """Return how long it took from the stored alert to the first containment that was written."""
    stored = [event.accepted_at for event in incident.events if event.accepted_at]
    written = [receipt.applied_at for receipt in incident.receipts if receipt.applied_at]
    if not stored or not written:
        return ""
    return f"{(min(written) - min(stored)).total_seconds() * 1000:.0f} ms"


def why_not(incident: Incident) -> str:
    """Return where an incident stands instead, and what its own records say about the reason."""
    reasons = [receipt.reason for receipt in incident.receipts if receipt.reason]
    reasons += [decision.why_not for decision in incident.decisions[-1:] if decision.why_not]
    return f"{incident.summary.id} is {incident.summary.state}. {'; '.join(reasons)}".strip()
