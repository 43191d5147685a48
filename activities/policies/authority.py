"""May it be done at once, or does a person decide? The mode of the namespace and the tier say."""

from collections.abc import Collection
from dataclasses import replace

from activities.judgement import Judgement, Weighing
from signals.decisions import PlannedAction, Tier
from signals.policy import Tier4
from signals.threats import Mode

_STRICTEST_FIRST = (Mode.SHADOW, Mode.APPROVE, Mode.AUTO)


def weigh(scales: Weighing) -> Weighing:
    """Let be written at once what `auto` allows below Tier 4 and no guard asks about; the rest asks, by itself."""
    targets = {target.key for action in scales.actions for target in action.targets}
    mode = _mode(scales, targets) if targets else _mode(scales, {e.subject.key for e in scales.events})
    scales = replace(scales, mode=mode)
    if not scales.actions:
        return scales.explained(
            "authority", mode, "nothing to decide", scales.why_not or "no action is planned"
        )
    why = {action.id: _asks(action, scales) for action in scales.actions}
    asked = [reason for reason in why.values() if reason]
    if len(asked) == len(why):
        scales = replace(scales, why_not=asked[0])
        return scales.explained("authority", mode, "not written", asked[0])
    scales = replace(
        scales,
        execute=True,
        actions=tuple(action.model_copy(update={"asks": why[action.id]}) for action in scales.actions),
    )
    if not asked:
        return scales.explained("authority", mode, "written at once", "auto, below Tier 4")
    part = f"part of it waits for a person: {asked[0]}"
    return replace(scales, why_not=part).explained("authority", mode, "written in part", part)


def _asks(action: PlannedAction, scales: Weighing) -> str:
    """Return why a person decides about one action, or nothing."""
    mode = _mode(scales, {target.key for target in action.targets})
    if mode is Mode.SHADOW:
        return "the namespace is in shadow mode: planned, dry-run and reported, not written"
    if action.asks:
        return action.asks
    held = scales.policy.tier4 is Tier4.HOLD and not action.deferred
    if (action.tier or scales.tier) is Tier.ESCALATE and not held:
        return "Tier 4 writes nothing by itself"
    if mode is Mode.APPROVE:
        return "the namespace is in approve mode: everything asks"
    return scales.asks[0] if scales.asks else ""


def _mode(scales: Weighing, targets: Collection[str]) -> Mode:
    """Return the strictest mode in which one of these was seen."""
    modes = [event.mode for event in scales.events if event.subject.key in targets]
    return min(modes, key=_STRICTEST_FIRST.index, default=Mode.SHADOW)


JUDGEMENT = Judgement(
    name="authority", order=50, question="May it be done at once, or does a person decide?", weigh=weigh
)
