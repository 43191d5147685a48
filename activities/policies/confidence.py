"""How sure are we, and about whom?

Within one agent the loudest event counts, for they all saw the same thing. Across agents the witnesses are
independent, so their doubts multiply (noisy-or). An event without confidence, or one that was old when the bus
accepted it, counts as no witness at all: it is Tier 1 and a page.
"""

from collections import defaultdict
from dataclasses import replace

from activities.judgement import Judgement, Suspect, Weighing
from activities.weights import combine, doubt
from signals.threats import ThreatEvent


def weigh(scales: Weighing) -> Weighing:
    """Put every subject on the scales."""
    by_subject: dict[str, list[ThreatEvent]] = defaultdict(list)
    for event in scales.events:
        why = scales.doubts.get(event.id) or doubt(event, scales.policy)
        confidence = event.confidence
        if why:
            confidence = None
            scales = replace(scales, page=True).explained(
                event.rule, "none", "Tier 1 and a page", f"{event.title}: {why}"
            )
        else:
            override = scales.policy.rules.get(event.rule)
            source = "policy" if override and override.confidence is not None else event.agent
            scales = scales.explained(
                event.rule, f"{confidence:.2f}", f"witness {event.agent}", f"{source}: {event.title}"
            )
        by_subject[event.subject.key].append(event.model_copy(update={"confidence": confidence}))
    suspects = tuple(
        Suspect(events=tuple(by_subject[key]), confidence=combine(by_subject[key]))
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
