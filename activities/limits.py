"""What it looks like when a limit is reached: why, and which others are asked about together."""

from dataclasses import dataclass

HOUR = "%Y-%m-%dT%H"
"""How a group names the hour that it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A reached limit. Whatever asks in one `group` is one page, and one decision of a person."""

    reason: str
    group: str
