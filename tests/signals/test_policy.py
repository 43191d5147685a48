from datetime import UTC, datetime

import pytest

from signals.errors import PolicyInvalid
from signals.policy import parse


def covered(window: str, at: str, namespace: str = "shop") -> bool:
    policy = parse(f"freeze_windows: [{{reason: closed, {window}}}]")
    return bool(policy.frozen(namespace, datetime.fromisoformat(at).replace(tzinfo=UTC)))


@pytest.mark.parametrize(
    ("window", "at", "holds"),
    [
        ("timezone: UTC", "2026-05-04T00:00", True),
        ("timezone: UTC, since: 09:00, until: 17:30", "2026-05-04T09:00", True),
        ("timezone: UTC, since: 09:00, until: 17:30", "2026-05-04T17:30", False),
        ("timezone: UTC, since: 22:00, until: 6:00", "2026-05-04T23:00", True),
        ("timezone: UTC, since: 22:00, until: 06:00", "2026-05-05T05:59", True),
        ("timezone: UTC, since: 22:00, until: 06:00", "2026-05-05T06:00", False),
        ("timezone: UTC, days: [fri], since: 22:00, until: 06:00", "2026-05-09T03:00", True),
        ("timezone: UTC, days: [sat], since: 22:00, until: 06:00", "2026-05-09T03:00", False),
        ("timezone: UTC, first: 2026-12-20, last: 2026-12-31", "2026-12-19T23:59", False),
        ("timezone: UTC, first: 2026-12-20, last: 2026-12-31", "2026-12-31T23:59", True),
        ("timezone: Europe/Berlin, since: 09:00, until: 10:00", "2026-01-05T08:30", True),
        ("timezone: Europe/Berlin, since: 09:00, until: 10:00", "2026-07-06T08:30", False),
        ("timezone: Europe/Berlin, since: 09:00, until: 10:00", "2026-07-06T07:30", True),
        ("timezone: UTC, namespace: pay*", "2026-05-04T00:00", False),
    ],
)
def test_a_freeze_window_holds_by_its_own_clock(window: str, at: str, holds: bool) -> None:
    assert covered(window, at) is holds


@pytest.mark.parametrize(
    "window",
    [
        "since: 09:00",
        "timezone: Mars/Olympus",
        "timezone: ../../etc/passwd",
        "timezone: UTC, days: [someday]",
    ],
)
def test_a_freeze_window_that_cannot_be_told_is_refused(window: str) -> None:
    with pytest.raises(PolicyInvalid, match="freeze_windows"):
        covered(window, "2026-05-04T00:00")
