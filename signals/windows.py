"""Times that come again and again: a trading day, a release night, a week of audit, the hours of sleep.

A window says its time zone itself: the machine that judges may stand anywhere, and clocks change twice a year.
"""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, field_validator

MINUTES_A_DAY = 24 * 60


class Day(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


class Window(BaseModel, frozen=True, extra="forbid"):
    """A time of day, on some days of the week, in a season."""

    timezone: str
    """Name in the time zone database (`Europe/Berlin`, `UTC`). There is no default."""
    days: tuple[Day, ...] = tuple(Day)
    """Days of the week on which it begins: `mon` to `sun`."""
    since: time = time()
    """Time of day at which it begins (`22:00`)."""
    until: time = time()
    """Time of day at which it ends; not later than `since` means on the next day."""
    first: date | None = None
    """The first day on which it begins (`2026-12-20`); none: it always did."""
    last: date | None = None
    """The last day on which it begins; none: it always will."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name

    @field_validator("since", "until", mode="before")
    @classmethod
    def _clock(cls, said: object) -> object:
        """Read what YAML makes of `22:00`, a number of minutes, as the time of day that was written."""
        if isinstance(said, int) and 0 <= said < MINUTES_A_DAY:
            return time(said // 60, said % 60)
        return said

    def holds(self, at: datetime) -> bool:
        """Return whether it is so at an instant. `until` itself is outside."""
        local = at.astimezone(ZoneInfo(self.timezone))
        today, now = local.date(), local.time()
        if self.until > self.since:
            return self._begins(today) and self.since <= now < self.until
        began_today = self._begins(today) and now >= self.since
        return began_today or (self._begins(today - timedelta(days=1)) and now < self.until)

    def _begins(self, day: date) -> bool:
        in_season = (self.first is None or day >= self.first) and (self.last is None or day <= self.last)
        return in_season and list(Day)[day.weekday()] in self.days


class FreezeWindow(Window, frozen=True, extra="forbid"):
    """A time in which nothing is evicted and no credential frozen without a person. Isolation goes on."""

    namespace: str = "*"
    """Namespaces in which it holds: a shell pattern (`*`, `?`)."""
    reason: str = "the policy has a freeze window now"
    """What the person who is asked reads."""

    def covers(self, namespace: str, at: datetime) -> bool:
        """Return whether this holds in a namespace at an instant."""
        return fnmatchcase(namespace, self.namespace) and self.holds(at)
