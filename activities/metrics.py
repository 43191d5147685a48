"""Every metric of Firebreak, in one place: what is counted, in which unit, and by which few labels.

Labels are closed lists, never names of pods or incidents, so that the number of series is bounded.
OpenTelemetry is loaded when the first number is recorded: workflows can reach this module.
"""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from signals.decisions import Decision
from signals.receipts import Receipt
from signals.threats import ThreatEvent

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds. The target for alert to write is tens of milliseconds, and its failure is seconds."""


class Metric(StrEnum):
    """Names, as Prometheus shows them but for its own suffixes."""

    ALERTS = "firebreak_alerts"
    THREATS = "firebreak_threat_events"
    INCIDENTS = "firebreak_incidents_opened"
    DECISIONS = "firebreak_decisions"
    ACTIONS = "firebreak_actions"
    REDELIVERIES = "firebreak_redeliveries"
    PAGES = "firebreak_pages"
    STAGE = "firebreak_stage"
    REMEMBERED = "firebreak_context_versions"
    BLIND = "firebreak_context_gaps"


DESCRIPTIONS: dict[Metric, str] = {
    Metric.ALERTS: "Alerts received, by feed and outcome: accepted, or the reason of the refusal.",
    Metric.THREATS: "Threat events published, by agent and severity.",
    Metric.INCIDENTS: "Incidents opened.",
    Metric.DECISIONS: "Decisions, by tier and mode.",
    Metric.ACTIONS: "Actions that reached a state, by type and state.",
    Metric.REDELIVERIES: "Messages that came again, by stream owner.",
    Metric.PAGES: "Pages, by channel and outcome.",
    Metric.REMEMBERED: "Versions of objects that the context store wrote, by kind.",
    Metric.BLIND: "Gaps in what the context store saw, by kind.",
    Metric.STAGE: "Seconds from one stage of an incident to the next, by stage.",
}


class Stage(StrEnum):
    """Which part of the way from an alert to its verified containment a duration measures."""

    ALERT_TO_SIGNAL = "alert_to_signal"
    """Observed by the sensor → accepted by Temporal."""
    SIGNAL_TO_DECISION = "signal_to_decision"
    DECISION_TO_WRITE = "decision_to_write"
    WRITE_TO_VERIFIED = "write_to_verified"
    ACCEPTED_TO_WRITE = "accepted_to_write"
    """The whole of it that is ours: accepted by the receiver → written to the cluster."""


@cache
def _counter(metric: Metric) -> "Counter":
    from opentelemetry.metrics import get_meter

    return get_meter("firebreak").create_counter(metric, description=DESCRIPTIONS[metric])


@cache
def _histogram(metric: Metric) -> "Histogram":
    from opentelemetry.metrics import get_meter

    return get_meter("firebreak").create_histogram(
        metric, unit="s", description=DESCRIPTIONS[metric], explicit_bucket_boundaries_advisory=BUCKETS
    )


def alert(feed: str, outcome: str = "accepted", times: int = 1) -> None:
    """Count records of a feed.

    `outcome` is `accepted`, `harmless` where nothing comes of it, or a word for why not (`undecodable` …).
    """
    if times:
        _counter(Metric.ALERTS).add(times, {"feed": feed, "outcome": outcome})


def threat(event: ThreatEvent) -> None:
    """Count one published threat event."""
    _counter(Metric.THREATS).add(1, {"agent": event.agent, "severity": event.severity.value})


def incident() -> None:
    """Count one opened incident."""
    _counter(Metric.INCIDENTS).add(1)


def decision(made: Decision) -> None:
    """Count one decision."""
    _counter(Metric.DECISIONS).add(1, {"tier": int(made.tier), "mode": made.mode.value})


def action(receipt: Receipt) -> None:
    """Count one action that has reached the state of this receipt."""
    _counter(Metric.ACTIONS).add(1, {"type": receipt.action.type, "state": receipt.state.value})


def redelivery(agent: str) -> None:
    """Count one message of an agent's stream that came again."""
    _counter(Metric.REDELIVERIES).add(1, {"agent": agent})


def page(channel: str, outcome: str) -> None:
    """Count one page on one channel: `delivered`, `refused` or `unavailable`."""
    _counter(Metric.PAGES).add(1, {"channel": channel, "outcome": outcome})


def remembered(kind: str, *, versions: int, gaps: int) -> None:
    """Count what the context store wrote of one kind."""
    _counter(Metric.REMEMBERED).add(versions, {"kind": kind})
    if gaps:
        _counter(Metric.BLIND).add(gaps, {"kind": kind})


def stage(which: Stage, since: datetime | None, until: datetime) -> None:
    """Record how long a stage took; nothing where its start is not known. Clocks that disagree give zero."""
    if since is not None:
        seconds = max((until - since).total_seconds(), 0.0)
        _histogram(Metric.STAGE).record(seconds, {"stage": which.value})
