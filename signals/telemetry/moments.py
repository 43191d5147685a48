"""Times as feeds tell them, in nanoseconds: a double would lose the last digits, and they tell alerts apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SCALES = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (1, 10**9))
"""Magnitude from which a bare number is in nano-, micro-, milliseconds or seconds: all mean 1973 or later."""
_LAST = 253402300799 * 10**9
"""The end of the year 9999: what no calendar holds is no time."""


def nanoseconds(value: Any) -> int | None:
    """Return nanoseconds since 1970, None where the value is no time after 1970 that a calendar holds."""
    if isinstance(value, str):
        return _number(int(value)) if value.isdecimal() and len(value) < 20 else _written(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return _number(value)


def moment(at: int) -> datetime:
    """Return a time in nanoseconds as a date in UTC, to the microsecond below."""
    return _EPOCH + timedelta(microseconds=at // 1000)


def _number(value: float) -> int | None:
    for magnitude, factor in _SCALES:
        if value >= magnitude:
            found = int(value * factor)
            return found if found <= _LAST else None
    return None


def _written(text: str) -> int | None:
    try:
        read = datetime.fromisoformat(text)
        at = read if read.tzinfo else read.replace(tzinfo=UTC)
        micros = (at - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
    if micros <= 0:
        return None
    fraction = text.partition(".")[2][6:9]
    return micros * 1000 + (int(fraction.ljust(3, "0")) if fraction.isdecimal() else 0)
