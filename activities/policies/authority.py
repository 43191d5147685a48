"""May it be done at once, or does a person decide? The mode of the namespace and the tier say."""

from dataclasses import replace

from activities.judgement import Judgement, Weighing
from signals.decisions import Tier
from signals.threats import Mode

_STRICTEST_FIRST = (Mode.SHADOW, Mode.APPROVE, Mode.AUTO)


def weigh(scales: Weighing) -> Weighing:
    """Take the strictest mode of all targets; only `auto` below Tier 4, where no guard asks, writes at once."""
    targets = {target.key for action in scales.actions for target in action.targets}
    relevant = [event for event in scales.events if not targets or event.subject.key in targets]
    mode = min((event.mode for event in relevant), key=_STRICTEST_FIRST.index, default=Mode.SHADOW)
    scales = replace(scales, mode=mode)
    if not scales.actions:
        return scales.explained(
            "authority", mode, "nothing to decide", scales.why_not or "no action is planned"
        )
    if mode is Mode.SHADOW:
        why = "the namespace is in shadow mode: planned, dry-run and reported, not written"
    elif scales.tier is Tier.ESCALATE:
        why = "Tier 4 writes nothing by itself"
    elif mode is Mode.APPROVE:
        why = "the namespace is in approve mode: everything asks"
    elif scales.asks:
        why = scales.asks[0]
    else:
        return replace(scales, execute=True).explained(
            "authority", mode, "written at once", "auto, below Tier 4"
        )
    return replace(scales, why_not=why).explained("authority", mode, "not written", why)


JUDGEMENT = Judgement(
    name="authority", order=50, question="May it be done at once, or does a person decide?", weigh=weigh
)
