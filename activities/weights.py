"""What one event weighs, what several weigh together, and the tier that this is. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from math import prod

from signals.decisions import Tier
from signals.policy import Policy, Thresholds
from signals.threats import ThreatEvent


def doubt(event: ThreatEvent, policy: Policy) -> str:
    """Return why this event is no witness, or nothing if it is one."""
    if event.confidence is None:
        return "the detector gave no confidence"
    if event.accepted_at is None:
        return ""
    age = (event.accepted_at - event.observed_at).total_seconds()
    if abs(age) > policy.stale_seconds:
        return f"its time is {abs(age):.0f} s {'before' if age > 0 else 'after'} the bus accepted it"
    return ""


def combine(events: Iterable[ThreatEvent]) -> float | None:
    """Return the confidence of several events about one thing: loudest per agent, noisy-or across agents."""
    by_agent: dict[str, float] = defaultdict(float)
    for event in events:
        if event.confidence is not None:
            by_agent[event.agent] = max(by_agent[event.agent], event.confidence)
    if not by_agent:
        return None
    return round(1 - prod(1 - by_agent[agent] for agent in sorted(by_agent)), 6)


def tier_of(confidence: float | None, thresholds: Thresholds) -> Tier:
    """Return the tier of one confidence; no confidence is Tier 1."""
    if confidence is None or confidence < thresholds.restrict:
        return Tier.OBSERVE
    if confidence < thresholds.isolate:
        return Tier.RESTRICT
    if confidence < thresholds.escalate:
        return Tier.ISOLATE
    return Tier.ESCALATE
