"""The list of incidents, as rows."""

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from signals.incidents import Summary
from signals.words import TIERS
from workers.cli.screen import harmless
from workers.cli.words import COLOURS, span

INCIDENTS = ("id", "state", "tier", "severity", "conf", "mode", "age", "waits", "title")
SPARE = ("mode", "conf", "severity", "age")
"""What a narrow terminal does without, in this order."""


def incidents(summaries: Iterable[Summary], now: datetime) -> list[list[str | Text]]:
    """Return one row an incident, under the headings `INCIDENTS`."""
    return [_incident(summary, now) for summary in summaries]


def _incident(summary: Summary, now: datetime) -> list[str | Text]:
    waits = summary.waiting_for
    left = (
        ""
        if waits is None
        else f"{waits.group or waits.kind}, {span((waits.deadline - now).total_seconds())} left"
    )
    return [
        summary.id,
        summary.state,
        f"{summary.tier} {TIERS[summary.tier]}",
        harmless(summary.severity, COLOURS[summary.severity]),
        "?" if summary.confidence is None else f"{summary.confidence:.2f}",
        summary.mode,
        span((now - summary.opened_at).total_seconds()),
        harmless(left, "bold yellow"),
        _short(summary),
    ]


def _short(summary: Summary) -> str:
    """Return the title without whom it is about: the id says that already."""
    title = summary.title
    for entity in summary.entities:
        kind, _, name = entity.partition("/")
        title = title.replace(f" in {kind} {name}", "")
    return title
