"""Lengths of time as people type them."""

import re
from argparse import ArgumentTypeError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"(\d+)([smhd])")


def seconds(text: str) -> int:
    """Return seconds for `90s`, `30m`, `4h` or `2d`.

    Raises:
        ArgumentTypeError: it is none of these.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise ArgumentTypeError(f"“{text}” is not a length of time such as 30m, 4h or 2d")
    return int(found[1]) * UNITS[found[2]]
