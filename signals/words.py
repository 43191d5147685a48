"""What the closed lists of the interface mean, in words for a person who was just woken."""

from signals.decisions import OnExpiry
from signals.incidents import IncidentState
from signals.receipts import ActionState

TIERS = {1: "observe", 2: "restrict", 3: "isolate", 4: "escalate"}

STATES = {
    IncidentState.INVESTIGATING: "It is being looked at. Nothing was written to the cluster.",
    IncidentState.OBSERVED: "It is on record and was judged. Nothing was written to the cluster.",
    IncidentState.AWAITING_APPROVAL: "A plan is ready and waits for a person.",
    IncidentState.CONTAINED: "Everything that was decided is applied.",
    IncidentState.PARTIALLY_CONTAINED: "Part of the containment is missing or does not hold.",
    IncidentState.SHADOWED: "Shadow mode: this is what would have been done. Nothing was written.",
    IncidentState.UNDONE: "Everything is put back as it was. The incident is still open.",
    IncidentState.CLOSED: "It is over.",
}

ACTIONS = {
    ActionState.SHADOW: "would have been applied",
    ActionState.STAGED: "planned and dry-run; waits for a person",
    ActionState.REFUSED: "refused",
    ActionState.FAILED: "the API server would not",
    ActionState.POSTPONED: "Firebreak is stopped; judged again after the resume",
    ActionState.DUE: "decided; its turn comes",
    ActionState.APPLIED: "written, not yet verified",
    ActionState.EFFECTIVE: "written and measured to work",
    ActionState.UNVERIFIED: "written and standing; whether traffic stopped cannot be known here",
    ActionState.INEFFECTIVE: "written, but it does not hold: somebody undid part of it",
    ActionState.DRIFTED: "the undo stopped: somebody else changed what we wrote",
    ActionState.REVERTED: "put back as it was",
    ActionState.DONE: "done; nothing of it is left to put back",
}

EXPIRIES = {
    OnExpiry.RELEASE: "it is put back by itself",
    OnExpiry.EXTEND: "it is extended while the pod lives",
    OnExpiry.ASK: "a person is asked",
}

QUESTIONS = {
    "approve the plan": "Silence means no.",
    "release the containment": "Silence lets it stand, a few times.",
}
"""What a person can be asked, and what it means if nobody answers."""
