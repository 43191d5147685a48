"""One may stop, two must resume."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from signals.stops import Halt, Stop

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Stop(uid="a", actor="ann", reason="it runs away", at=NOW)
SECOND = Stop(uid="b", actor="bob", at=NOW + timedelta(seconds=5))


def test_a_stop_holds_until_two_different_people_have_resumed_it() -> None:
    halt = Halt().stopped(FIRST)
    assert halt.standing == FIRST
    halt = halt.resumed("a", "ann", "1").resumed("a", "ann", "2")
    assert halt.standing
    assert halt.standing.resumed_by == ("ann",)
    assert halt.resumed("a", "bob", "3").standing is None


def test_a_resume_lifts_what_was_before_it_and_nothing_after() -> None:
    halt = Halt().stopped(FIRST).stopped(SECOND)
    older = halt.resumed("a", "ann", "1").resumed("a", "bob", "2")
    assert older.standing == SECOND
    assert halt.resumed("b", "ann", "1").resumed("b", "bob", "2").standing is None
    assert halt.resumed("a", "ann", "1").resumed("b", "bob", "2").standing is not None


@pytest.mark.parametrize("uid", ["0", "z"])
def test_a_stop_in_the_very_second_of_one_that_was_resumed_holds(uid: str) -> None:
    """The API server tells whole seconds, and UIDs are no order: either may have been said first."""
    again = Stop(uid=uid, actor="ann", at=FIRST.at)
    halt = Halt().stopped(FIRST).resumed("a", "ann", "1").resumed("a", "bob", "2").stopped(again)
    assert halt.standing == again
    assert halt.resumed(uid, "ann", "3").resumed(uid, "bob", "4").standing is None


def test_it_is_the_same_in_whatever_order_it_is_heard_and_by_whomever() -> None:
    said: list[Callable[[Halt], Halt]] = [
        lambda halt: halt.stopped(FIRST),
        lambda halt: halt.stopped(SECOND),
        lambda halt: halt.resumed("a", "ann", "1"),
        lambda halt: halt.resumed("a", "bob", "2"),
    ]
    for order in itertools.permutations(said):
        one, other = Halt(), Halt()
        for number, hear in enumerate(order):
            if number % 2:
                one = hear(one)
            else:
                other = hear(other)
        assert one.joined(other).standing == other.joined(one).standing == SECOND


def test_a_resume_of_nothing_lifts_no_later_stop() -> None:
    halt = Halt().resumed("a", "ann", "1").resumed("a", "bob", "2")
    assert halt.standing is None
    assert halt.stopped(SECOND).standing == SECOND
    assert str(FIRST) == "Firebreak was stopped by ann: it runs away"
