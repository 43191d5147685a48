"""How sure are we, and about whom?

Within one agent the loudest event counts, for they all saw the same thing. Across agents the witnesses are
independent, so their doubts multiply (noisy-or). An event without confidence, or one that was old when the bus
accepted it, counts as no witness at all: it is Tier 1 and a page.
"""

from collections import defaultdict
from dataclasses import replace
from math import prod

from activities.judgement import Judgement, Suspect, Weighing
from signals.policy import Policy
from signals.threats import ThreatEvent


def _doubt(event: ThreatEvent, policy: Policy) -> str:
    """Return why this event is no witness, or nothing if it is one."""
    if event.confidence is None:
        return "the detector gave no confidence"
    if event.accepted_at is None:
        return ""
    age = (event.accepted_at - event.observed_at).total_seconds()
    if abs(age) > policy.stale_seconds:
        return f"its time is {abs(age):.0f} s {'before' if age > 0 else 'after'} the bus accepted it"
    return ""


def combine(events: tuple[ThreatEvent, ...]) -> float | None:
    """Return the confidence of several events about one thing: loudest per agent, noisy-or across agents."""
    by_agent: dict[str, float] = defaultdict(float)
    for event in events:
        if event.confidence is not None:
            by_agent[event.agent] = max(by_agent[event.agent], event.confidence)
    if not by_agent:
        return None
    return round(1 - prod(1 - by_agent[agent] for agent in sorted(by_agent)), 6)


def weigh(scales: Weighing) -> Weighing:
    """Put every subject on the scales."""
    by_subject: dict[str, list[ThreatEvent]] = defaultdict(list)
    for event in scales.events:
        doubt = scales.doubts.get(event.id) or _doubt(event, scales.policy)
        confidence = event.confidence
        if doubt:
            confidence = None
            scales = replace(scales, page=True).explained(
                event.rule, "none", "Tier 1 and a page", f"{event.title}: {doubt}"
            )
        else:
            override = scales.policy.rules.get(event.rule)
            source = "policy" if override and override.confidence is not None else event.agent
            scales = scales.explained(
                event.rule, f"{confidence:.2f}", f"witness {event.agent}", f"{source}: {event.title}"
            )
        by_subject[event.subject.key].append(event.model_copy(update={"confidence": confidence}))
    suspects = tuple(
        Suspect(events=tuple(by_subject[key]), confidence=combine(tuple(by_subject[key])))
        for key in sorted(by_subject)
    )
    known = [suspect.confidence for suspect in suspects if suspect.confidence is not None]
    confidence = max(known) if known else None
    severity = max((event.severity for event in scales.events), key=lambda s: s.rank, default=scales.severity)
    scales = replace(scales, suspects=suspects, confidence=confidence, severity=severity)
    value = "none" if confidence is None else f"{confidence:.2f}"
    return scales.explained(
        "confidence",
        value,
        "decides the tier",
        "of one agent the highest value counts; the doubts of several agents are multiplied",
    )


JUDGEMENT = Judgement(name="confidence", order=10, question="How sure are we, and about whom?", weigh=weigh)
