"""What closed incidents were, added up by rule."""

from datetime import UTC, datetime

import pytest

from signals.verdicts import Judged, Suspected, Verdict, tallies

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def judged(verdict: Verdict, number: int, rule: str = "Reverse shell") -> Judged:
    return Judged(
        incident=f"i-{number}",
        verdict=verdict,
        actor="ann",
        at=NOW,
        command=f"c-{number}",
        tier=3,
        suspicions=(Suspected(detector="reverse-shell", rule=rule),),
    )


@pytest.mark.parametrize(
    ("verdicts", "suggestion"),
    [
        ([Verdict.FALSE] * 4, ""),
        ([Verdict.FALSE] * 4 + [Verdict.DRILL] * 9, ""),
        ([Verdict.FALSE] * 5, "confidence: 0.14"),
        ([Verdict.BENIGN] * 5, "firebreak snooze"),
        ([Verdict.TRUE] * 5, "alone"),
        ([Verdict.TRUE] * 3 + [Verdict.FALSE] * 2, ""),
    ],
)
def test_a_suggestion_needs_enough_verdicts(verdicts: list[Verdict], suggestion: str) -> None:
    (tally,) = tallies(tuple(judged(one, number) for number, one in enumerate(verdicts)))
    assert suggestion in tally.suggestion if suggestion else tally.suggestion == ""


def test_each_rule_has_a_row_and_the_least_reliable_comes_first() -> None:
    said = (judged(Verdict.TRUE, 1, "A"), judged(Verdict.FALSE, 2, "B"), judged(Verdict.DRILL, 3, "B"))
    rows = [(row.rule, row.true, row.benign, row.false, row.drill) for row in tallies(said)]
    assert rows == [("B", 0, 0, 1, 1), ("A", 1, 0, 0, 0)]
