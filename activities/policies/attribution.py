"""Is it certain that the subject did this? A pod does nothing on a host on which it does not run.

Whoever can send alerts could have a pod contained by naming it. So an alert whose pod does not run on the host
that it names is no witness: it is Tier 1, and people are told.
"""

from dataclasses import replace

from activities.judgement import Judgement, Weighing


def weigh(scales: Weighing) -> Weighing:
    """Doubt every event whose subject does not run where the alert comes from."""
    doubts = {
        event.id: f"unattributed: {event.unattributed}" for event in scales.events if event.unattributed
    }
    if not doubts:
        return scales
    events = f"{len(doubts)} of {len(scales.events)} events"
    return replace(scales, doubts={**scales.doubts, **doubts}).explained(
        "attribution",
        events,
        "Tier 1 at most, and a page",
        "; ".join(sorted(set(doubts.values()))),
    )


JUDGEMENT = Judgement(
    name="attribution", order=4, question="Is it certain that the subject did this?", weigh=weigh
)
