"""The list of incidents and the explanation of a judgement, as rows."""

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from signals.decisions import Decision
from signals.incidents import Summary
from signals.words import TIERS
from workers.cli.screen import harmless
from workers.cli.words import COLOURS, span

INCIDENTS = ("id", "state", "tier", "severity", "conf", "mode", "age", "waits", "title")
SPARE = ("mode", "conf", "severity", "age")
"""What a narrow terminal does without, in this order."""
TERMS = ("term", "value", "effect", "reason")


def incidents(summaries: Iterable[Summary], now: datetime) -> list[list[str | Text]]:
    """Return one row an incident, under the headings `INCIDENTS`."""
    return [_incident(summary, now) for summary in summaries]


def _incident(summary: Summary, now: datetime) -> list[str | Text]:
    waits = summary.waiting_for
    left = "" if waits is None else f"{waits.kind}, {span((waits.deadline - now).total_seconds())} left"
    return [
        summary.id,
        summary.state,
        f"{summary.tier} {TIERS[summary.tier]}",
        harmless(summary.severity, COLOURS[summary.severity]),
        "?" if summary.confidence is None else f"{summary.confidence:.2f}",
        summary.mode,
        span((now - summary.opened_at).total_seconds()),
        harmless(left, "bold yellow"),
        summary.title,
    ]


def terms(decision: Decision) -> list[list[str | Text]]:
    """Return one row a step of the judgement, under the headings `TERMS`."""
    return [[term.name, term.value, term.effect, term.reason] for term in decision.terms]


def verdict(decision: Decision) -> str:
    """Return what the steps come to, in one sentence."""
    confidence = "unknown" if decision.confidence is None else f"{decision.confidence:.3f}"
    actions = ", ".join(action.type for action in decision.actions) or "no action"
    how = "by itself" if decision.execute else f"not by itself: {decision.why_not or 'nothing to do'}"
    return f"Confidence {confidence} is tier {decision.tier:d} ({TIERS[decision.tier]}): {actions}, {how}."
