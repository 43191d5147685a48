"""Did a person just say that this was a false alarm? Then the same suspicion only observes for a while."""

from dataclasses import replace

from activities.judgement import Judgement, Suspect, Weighing
from signals.decisions import Tier
from signals.requests import FalseAlarm


def _silenced(suspect: Suspect, alarms: tuple[FalseAlarm, ...]) -> bool:
    """Return whether everything that is said about this suspect was called a false alarm."""
    return all(
        any(
            alarm.subject == event.subject.key
            and alarm.detector == event.detector
            and (event.accepted_at or event.observed_at) < alarm.until
            for alarm in alarms
        )
        for event in suspect.events
        if event.confidence is not None
    )


def weigh(scales: Weighing) -> Weighing:
    """Hold suspects at Tier 1 that were called a false alarm; a new kind of finding is not held."""
    alarms = scales.request.false_alarms
    if not alarms:
        return scales
    suspects = tuple(
        replace(suspect, tier=Tier.OBSERVE) if _silenced(suspect, alarms) else suspect
        for suspect in scales.suspects
    )
    if suspects == scales.suspects:
        return scales
    tier = max((suspect.tier for suspect in suspects), default=Tier.OBSERVE)
    until = max(alarm.until for alarm in alarms)
    return replace(scales, suspects=suspects, tier=tier).explained(
        "false alarm",
        str(int(tier)),
        "held at Tier 1",
        f"a person undid this; observed only until {until:%H:%M:%S} UTC",
    )


JUDGEMENT = Judgement(
    name="false_alarm", order=30, question="Did a person just say that this was a false alarm?", weigh=weigh
)
