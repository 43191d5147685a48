"""Moments of the past as people type them: `2026-11-25T14:03:22Z`, `-15m`, `15m ago`, `now`."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"-?(\d+)([smhd])( ago)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LIKE_A_NUMBER = re.compile(r"^-\d+[smhd]?$")


def moment(text: str) -> datetime:
    """Return the moment that was meant; one without a time zone is UTC.

    Raises:
        ArgumentTypeError: it is none, or not in the past.
    """
    now = datetime.now(UTC)
    text = text.strip()
    if text == "now":
        return now
    try:
        if found := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        ahead = at > now
    except (ValueError, OverflowError):
        ahead, at = False, None
    if at is None:
        form = "2026-11-25T14:03:22Z, -15m, `15m ago` or now"
        raise ArgumentTypeError(f"“{text}” is no moment: write it as {form}")
    if ahead:
        raise ArgumentTypeError(f"“{text}” is still to come")
    return at


def takes_moments(parser: ArgumentParser) -> None:
    """Let `-15m` stand where a moment is expected: without this it would be taken for an option."""
    parser._negative_number_matcher = _LIKE_A_NUMBER
