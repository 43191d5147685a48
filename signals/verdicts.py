"""What an incident was, in hindsight: a person's verdict, kept to calibrate detectors and rules by."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel


class Verdict(StrEnum):
    """What it was. A closed list."""

    TRUE = "true"
    """An attack, or an attempt."""
    BENIGN = "benign"
    """It happened as told, and was meant to."""
    FALSE = "false"
    """It did not happen, or does not mean what the detector says."""
    DRILL = "drill"
    """Somebody practised."""


class Suspected(BaseModel, frozen=True):
    """Which detector, by which rule."""

    detector: str
    rule: str


class Judged(BaseModel, frozen=True):
    """One incident with its verdict. It outlives the incident in Temporal."""

    incident: str
    verdict: Verdict
    actor: str
    """Who said so."""
    reason: str = ""
    at: datetime
    """When it was said."""
    command: str
    """UID of the Command that says so."""
    title: str = ""
    """May hold text of an attacker."""
    tier: int
    suspicions: tuple[Suspected, ...] = ()
    """Every detector and rule that had a part in it."""


class Tally(BaseModel, frozen=True):
    """How often one rule was right."""

    detector: str
    rule: str
    true: int = 0
    benign: int = 0
    false: int = 0
    drill: int = 0
    """Not counted: a drill says nothing of how good a rule is."""
    suggestion: str = ""
    """What somebody might do about it; never done by itself. Empty where too little is known."""


ENOUGH = 5
"""Verdicts on a rule before anything is suggested."""


def tallies(judged: tuple[Judged, ...]) -> tuple[Tally, ...]:
    """Return how often each rule was right, the least reliable first."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for one in judged:
        for suspected in one.suspicions:
            row = counts.setdefault((suspected.detector, suspected.rule), {})
            row[one.verdict.value] = row.get(one.verdict.value, 0) + 1
    found = [
        Tally(detector=detector, rule=rule, suggestion=_suggestion(rule, row), **row)
        for (detector, rule), row in counts.items()
    ]
    return tuple(sorted(found, key=lambda one: (-(one.false + one.benign), one.detector, one.rule)))


def _suggestion(rule: str, row: dict[str, int]) -> str:
    """Return what the numbers speak for; a share is smoothed, so that few verdicts say little."""
    true, benign, false = (row.get(one.value, 0) for one in (Verdict.TRUE, Verdict.BENIGN, Verdict.FALSE))
    total = true + benign + false
    if total < ENOUGH:
        return ""
    right = (true + 1) / (total + 2)
    if right >= 0.8:
        return "right so often that it might act alone: policy, `alone`"
    if benign > true + false:
        return "mostly meant: an exception for the workloads that do it, `firebreak snooze`"
    if right < 0.5:
        return f"mostly wrong: policy, `rules: {{{rule!r}: {{confidence: {right:.2f}}}}}`"
    return ""
