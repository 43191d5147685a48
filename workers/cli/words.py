"""What the closed lists of the interface mean, in words for a person who was just woken."""

from datetime import UTC, datetime

from signals.decisions import OnExpiry
from signals.incidents import IncidentState
from signals.receipts import ActionState

TIERS = {1: "observe", 2: "restrict", 3: "isolate", 4: "escalate"}

STATES = {
    IncidentState.INVESTIGATING: "It is being looked at. Nothing was written to the cluster.",
    IncidentState.OBSERVED: "It is on record and was judged. Nothing had to be written to the cluster.",
    IncidentState.AWAITING_APPROVAL: "A plan is ready and waits for a person. Silence means no.",
    IncidentState.CONTAINED: "Everything that was decided is applied.",
    IncidentState.PARTIALLY_CONTAINED: "Part of the containment is missing or does not hold.",
    IncidentState.SHADOWED: "Shadow mode: this is what would have been done. Nothing was written.",
    IncidentState.UNDONE: "Everything is put back as it was. The incident is still open.",
    IncidentState.CLOSED: "It is over.",
}

ACTIONS = {
    ActionState.SHADOW: "would have been applied (shadow mode)",
    ActionState.STAGED: "planned and dry-run; waits for a person",
    ActionState.REFUSED: "refused",
    ActionState.FAILED: "the API server would not",
    ActionState.APPLIED: "written, not yet verified",
    ActionState.EFFECTIVE: "written and measured to work",
    ActionState.UNVERIFIED: "written and standing; whether traffic stopped cannot be known here",
    ActionState.INEFFECTIVE: "written, but it does not hold: somebody undid part of it",
    ActionState.DRIFTED: "the undo stopped: somebody else changed what we wrote",
    ActionState.REVERTED: "put back as it was",
}

EXPIRIES = {
    OnExpiry.RELEASE: "it is put back by itself",
    OnExpiry.EXTEND: "it is extended while the pod lives",
    OnExpiry.ASK: "a person is asked",
}

COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def span(seconds: float) -> str:
    """Return a length of time in its largest sensible unit: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def clock(at: datetime, now: datetime) -> str:
    """Return an instant as UTC time of day, with the date when it is not today's."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def relative(at: datetime, now: datetime) -> str:
    """Return an instant seen from now: `4 min ago`, `in 15 min`."""
    seconds = (at - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def count(number: int, thing: str) -> str:
    """Return `1 policy` or `3 policies`."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number} {thing if number == 1 else plural}"
