"""What a measurement is made of: groups that are had by their names, and the rows that they yield one by one."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

HANDFUL = 3
"""What is measured at least of anything that is counted."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a value must hold, or its ratio to the ceiling."""

    limit: float
    least: bool = False
    """Whether the limit is the least that is wanted; it is the most otherwise."""
    ratio: bool = False

    def met(self, value: float) -> bool:
        """Return whether it is held."""
        return value >= self.limit if self.least else value <= self.limit

    def said(self, unit: str) -> str:
        """Return it as people write it."""
        return f"{'≥' if self.least else '≤'} {self.limit:,g} {'×' if self.ratio else unit}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: what was measured, what is promised, and what bounds it."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    ceiling: float | None = None
    """The least (or most) that this machine can do at all, measured in the same run, in the same unit."""
    of: str = ""
    """What the ceiling is."""
    bound: str = ""
    """Which process, lock or poll bounds it."""
    more: Mapping[str, float | str] = field(default_factory=dict)
    """Figures beside it, by their names with their units."""

    @property
    def ratio(self) -> float | None:
        """How many times the ceiling it is."""
        return self.value / self.ceiling if self.ceiling else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        judged = self.ratio if self.goal.ratio else self.value
        return judged is not None and self.goal.met(judged)

    def told(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "ratio": self.ratio,
            "of": self.of,
            "goal": self.goal.said(self.unit) if self.goal else None,
            "met": self.met,
            "bound": self.bound,
            "more": dict(self.more),
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a measurement is wanted: whole, or a sample of it. `say` tells what is being done meanwhile."""

    say: Callable[[str], None]
    share: float = 1.0
    """Of the counts of a whole measurement."""

    def count(self, whole: int) -> int:
        """Return how many of something are measured."""
        return whole if self.share >= 1 else max(HANDFUL, round(whole * self.share))


Measure = Callable[[Run], AsyncIterator[Row]]


@dataclass(frozen=True)
class Group:
    """Rows that are measured together, in one file of the same name."""

    name: str
    about: str
    measure: Measure
