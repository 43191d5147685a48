"""How far does one agent's word go? Past Tier 2 only where the policy names the detector or rule.

Most suspicions have a harmless explanation that one feed cannot rule out: a debugging session looks like an
intruder. So what one agent says of a subject is held just below Tier 3 unless the policy says that this detector
suffices alone. Another agent's word multiplies the doubts, and so lifts it.
"""

from dataclasses import replace
from math import floor

from activities.judgement import Judgement, Weighing
from signals.policy import Policy
from signals.threats import ThreatEvent


def highest(policy: Policy) -> float:
    """Return the highest confidence, in hundredths, that still belongs to Tier 2."""
    return (floor(round(policy.thresholds.isolate * 100, 6) - 1e-6)) / 100


def weigh(scales: Weighing) -> Weighing:
    """Hold what does not suffice alone at the top of Tier 2."""
    events: list[ThreatEvent] = []
    for event in scales.events:
        held = _held(event, scales)
        events.append(event.model_copy(update={"confidence": highest(scales.policy)}) if held else event)
        if held:
            scales = scales.explained(
                event.rule,
                f"{highest(scales.policy):.2f}",
                "held at Tier 2",
                f"{event.confidence:.2f} is the word of {event.agent} alone, and the policy does not name "
                f"{event.detector} under `alone`: another agent must bear it out",
            )
    return replace(scales, events=tuple(events))


def _held(event: ThreatEvent, scales: Weighing) -> bool:
    if event.confidence is None or event.id in scales.doubts:
        return False
    return event.confidence >= scales.policy.thresholds.isolate and not scales.policy.suffices_alone(event)


JUDGEMENT = Judgement(name="witnesses", order=8, question="How far does one agent's word go?", weigh=weigh)
