"""A slice of the past as a file that proves itself: every line holds the digest of the line before it.

The digest of the last line is the head. Whoever has the head from elsewhere, as an incident has it, knows that
no line was changed, left out or added.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from signals.errors import BadInput

FORMAT = "firebreak-context/1"


@dataclass(frozen=True, slots=True)
class Slice:
    """What a file of a slice holds, once it is proved."""

    header: dict[str, Any]
    versions: int
    head: str
    """SHA-256 of the last line, in hexadecimal."""


def lines(header: dict[str, Any], versions: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the lines of a file, without their ends."""
    line = _encoded({"format": FORMAT, **header})
    yield line
    count = 0
    for version in versions:
        count += 1
        line = _encoded({"previous": digest(line), "version": version})
        yield line
    yield _encoded({"previous": digest(line), "end": count})


def digest(line: bytes) -> str:
    """Return the digest of one line."""
    return sha256(line).hexdigest()


def verify(found: Iterable[bytes], head: str = "") -> Slice:
    """Return what a file holds, of which these are the lines.

    Raises:
        BadInput: it is no such file, was changed, is not whole, or has another head than the given one.
    """
    rows = iter(found)
    first = next(rows, b"").rstrip(b"\n")
    header = _decoded(first, 1)
    if header.get("format") != FORMAT:
        raise BadInput(f"this is no slice of a context store: its first line does not say {FORMAT}")
    line, count, ended = first, 0, False
    for number, row in enumerate(rows, 2):
        if ended:
            raise BadInput(f"line {number} stands after the end")
        row = row.rstrip(b"\n")
        told = _decoded(row, number)
        if told.get("previous") != digest(line):
            raise BadInput(
                f"line {number} does not follow line {number - 1}: one of them was changed, or lines are gone"
            )
        line, ended = row, "end" in told
        if ended and told["end"] != count:
            raise BadInput(f"the end says {told['end']} versions, and {count} stand before it")
        count += not ended
    if not ended:
        raise BadInput("the end is missing: the file is not whole")
    if head and digest(line) != head:
        raise BadInput(
            f"the head is {digest(line)}, not {head}: this is another file, or it was written anew"
        )
    return Slice(header, count, digest(line))


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _decoded(line: bytes, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise BadInput(f"line {number} is no JSON") from error
    if not isinstance(found, dict):
        raise BadInput(f"line {number} is no object")
    return found
