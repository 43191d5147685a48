"""Is this expected of the workload? Then it is on record, and weighs nothing.

An exception is about one rule and one workload. It gives way as soon as something else raises the tier: then
everything counts, what was expected too, for it may have been the beginning.
"""

from collections import defaultdict
from dataclasses import replace

from activities.judgement import Judgement, Weighing
from activities.weights import combine, doubt, tier_of
from signals.exceptions import AlertException
from signals.threats import ThreatEvent


def weigh(scales: Weighing) -> Weighing:
    """Take off the scales what is expected, subject by subject."""
    expected = {event.id: one for event in scales.events if (one := _expected(event, scales)) is not None}
    if not expected:
        return scales
    by_subject: dict[str, list[ThreatEvent]] = defaultdict(list)
    for event in scales.events:
        by_subject[event.subject.key].append(event)
    silenced: set[str] = set()
    for key in sorted(by_subject):
        theirs = [event for event in by_subject[key] if event.id in expected]
        if not theirs:
            continue
        rises = _rises(by_subject[key], theirs, scales)
        for event in theirs:
            scales = _told(scales, event, expected[event.id], rises=rises)
        if not rises:
            silenced |= {event.id for event in theirs}
    return replace(
        scales,
        events=tuple(event for event in scales.events if event.id not in silenced),
        silenced=tuple((event, expected[event.id]) for event in scales.events if event.id in silenced),
    )


def _expected(event: ThreatEvent, scales: Weighing) -> AlertException | None:
    return next((one for one in scales.exceptions if one.covers(event)), None)


def _rises(events: list[ThreatEvent], expected: list[ThreatEvent], scales: Weighing) -> bool:
    """Return whether something else raises the tier of a subject above that of what is expected of it."""

    def tier(of: list[ThreatEvent]) -> int:
        witnesses = (one for one in of if one.id not in scales.doubts and not doubt(one, scales.policy))
        return tier_of(combine(witnesses), scales.policy.thresholds)

    return tier(events) > tier(expected)


def _told(scales: Weighing, event: ThreatEvent, one: AlertException, *, rises: bool) -> Weighing:
    until = f"{one.actor} expects this of {one.whose} until {one.ends:%Y-%m-%d %H:%M} UTC"
    if rises:
        return scales.explained(
            event.rule, one.id, "counts all the same", f"{until}; but something else raises the tier"
        )
    return scales.explained(event.rule, one.id, "weighs nothing", f"{until}: {one.reason}")


JUDGEMENT = Judgement(name="exceptions", order=9, question="Is this expected of the workload?", weigh=weigh)
