"""When something happened, as far as that can be known from outside: an interval, and the likeliest moment in it.

A watch tells what changed and in which order, not when. The API server's counter does: read at moments of our
own clock, it says of every later revision that it is later, and of every earlier one that it is earlier.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

SECOND = 1_000_000
FOREVER = 1 << 62
"""The end of what still is. All moments are microseconds since 1970."""
SLACK = 2 * SECOND
"""How late a watch is taken to be where no counter bounds it."""
SKEW = SECOND
"""How far the API server's clock may be from ours."""


@dataclass(frozen=True, slots=True)
class When:
    """Not before `lo`, done by `hi`, most likely at `at`."""

    lo: int
    at: int
    hi: int

    def after(self, earlier: "When") -> "When":
        """Return the same moment, known to be no earlier than another one."""
        at = max(self.at, earlier.at)
        return When(max(self.lo, earlier.lo), at, max(self.hi, at))


NEVER = When(FOREVER, FOREVER, FOREVER)


def clamped(lo: int, at: int, hi: int) -> When:
    """Return a moment of an interval that ends at `hi`, whatever clocks say about its other parts."""
    lo = min(lo, hi)
    return When(lo, min(max(at, lo), hi), hi)


class Ticks:
    """Readings of the API server's counter (`resourceVersion`), in the order in which they were taken."""

    def __init__(self, most: int = 20_000) -> None:
        """Remember so many readings."""
        self._most = most
        self._revisions: list[int] = []
        self._asked: list[int] = []
        self._answered: list[int] = []

    @property
    def last(self) -> tuple[int, int, int] | None:
        """Return (asked, answered, revision) of the last reading."""
        return (self._asked[-1], self._answered[-1], self._revisions[-1]) if self._revisions else None

    def note(self, asked: int, answered: int, revision: int) -> None:
        """Take a reading; one that goes back means another counter, about which nothing is known yet."""
        if self._revisions and revision < self._revisions[-1]:
            self._revisions, self._asked, self._answered = [], [], []
        self._revisions.append(revision)
        self._asked.append(asked)
        self._answered.append(answered)
        if len(self._revisions) > self._most:
            half = self._most // 2
            del self._revisions[:half], self._asked[:half], self._answered[:half]

    def bounds(self, revision: int) -> tuple[int | None, int | None]:
        """Return after and before which moment a revision was made; None where no reading says."""
        behind = bisect_left(self._revisions, revision) - 1
        ahead = bisect_left(self._revisions, revision)
        after = self._asked[behind] if behind >= 0 else None
        return after, self._answered[ahead] if ahead < len(self._answered) else None

    def complete_until(self, revision: int) -> int | None:
        """Return until which moment somebody knows everything who knows all up to a revision."""
        behind = bisect_right(self._revisions, revision) - 1
        return self._asked[behind] if behind >= 0 else None


def watched(revision: int | None, observed: int, stamp: int | None, ticks: Ticks | None) -> When:
    """Return when a change happened that a watch told of.

    `stamp` is the second (rounded down) that the object itself names as its last change, if that is a new one.
    It only makes a moment likelier: whoever may write an object may write that, too.
    """
    after, before = ticks.bounds(revision) if ticks and revision is not None else (None, None)
    hi = min(observed, before if before is not None else observed)
    likely = hi if stamp is None else _within(stamp, hi)
    if after is None:
        after = min(hi - SLACK, stamp if stamp is not None else hi)
    return clamped(after, likely, hi)


def listed(
    revision: int | None,
    seen: int,
    heard: int,
    created: int | None,
    stamp: int | None,
    ticks: Ticks | None,
) -> When:
    """Return since when an object is what a listing shows, of which everything was known until `heard`.

    `created` is given for an object that was not known before; its creation is the server's own word.
    """
    after, before = ticks.bounds(revision) if ticks and revision is not None else (None, None)
    lo = max(heard, after if after is not None else heard, (created or 0) - SKEW)
    likely = created if created is not None else stamp
    hi = min(seen, before if before is not None else seen)
    return clamped(lo, hi if likely is None else _within(likely, hi), hi)


def _within(stamp: int, hi: int) -> int:
    """Return the likeliest moment of a second that was rounded down: its end cannot be later than `hi`."""
    return hi if hi < stamp + SECOND else stamp + SECOND // 2
