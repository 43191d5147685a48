"""How far does the response go? Thresholds are half-open: a confidence on the line belongs above it."""

from dataclasses import replace

from activities.judgement import Judgement, Weighing
from activities.weights import tier_of
from signals.decisions import Tier


def weigh(scales: Weighing) -> Weighing:
    """Give every suspect, and the incident, its tier."""
    bounds = scales.policy.thresholds
    suspects = tuple(
        replace(suspect, tier=tier_of(suspect.confidence, bounds)) for suspect in scales.suspects
    )
    tier = max((suspect.tier for suspect in suspects), default=Tier.OBSERVE)
    scales = replace(scales, suspects=suspects, tier=tier, page=scales.page or tier >= Tier.RESTRICT)
    return scales.explained(
        "tier",
        str(int(tier)),
        tier.name.lower(),
        f"restrict from {bounds.restrict}, isolate from {bounds.isolate}, escalate from {bounds.escalate}",
    )


JUDGEMENT = Judgement(name="tier", order=20, question="How far does the response go?", weigh=weigh)
