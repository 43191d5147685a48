"""What follows first writes waits while there are more of them to do, and never for ever."""

from datetime import UTC, datetime, timedelta

from activities.pace import BURST, MOST_EXPECTED, MOST_SPREAD, MOST_WRITING, Pace

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def waits(pace: Pace, count: int, every: timedelta) -> list[float]:
    return [pace.wait(f"case-{number}", NOW + number * every) for number in range(count)]


def test_nothing_waits_when_at_ease() -> None:
    assert waits(Pace(), 20, timedelta(seconds=2)) == [0.0] * 20


def test_what_came_with_many_others_waits_until_they_are_written_and_then_in_turn() -> None:
    pace = Pace()
    for number in range(500):
        pace.fed(f"case-{number}", NOW)
    told = waits(pace, 500, timedelta())
    assert min(told) >= MOST_WRITING
    assert max(told) <= MOST_WRITING + MOST_SPREAD
    assert len(set(told)) > 400


def test_the_first_that_is_judged_knows_what_was_fed_beside_it() -> None:
    pace = Pace()
    for number in range(100):
        pace.fed(f"case-{number}", NOW)
    assert pace.wait("case-0", NOW) >= MOST_EXPECTED


def test_an_incident_that_is_fed_again_and_again_is_no_burst() -> None:
    pace = Pace()
    assert {pace.wait("case-1", NOW) for _ in range(50)} == {0.0}


def test_a_burst_is_over_when_it_is_over() -> None:
    pace = Pace()
    for number in range(100):
        pace.fed(f"case-{number}", NOW)
    assert pace.wait("another", NOW + BURST + timedelta(seconds=1)) == 0.0
