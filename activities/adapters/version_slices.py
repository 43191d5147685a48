"""Cuts the slice that an incident needs out of a context store, and keeps it as a file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.adapters.version_file import VersionFile
from activities.graph.past import written
from activities.graph.slices import Slice, digest, lines
from signals.errors import BadInput, Unavailable

MOST_VERSIONS = 200_000
"""A slice of more is refused: whoever asks names fewer namespaces, or a shorter time."""


def cut(
    store: VersionFile, incident: str, since: int, until: int, namespaces: tuple[str, ...]
) -> Iterator[bytes]:
    """Yield the lines of a slice.

    Raises:
        BadInput: it is too large.
    """
    found = store.between(since, until, namespaces)
    if len(found) > MOST_VERSIONS:
        raise BadInput(f"{len(found)} versions are too many for one slice; name fewer namespaces")
    header: dict[str, Any] = {
        "incident": incident,
        "since": written(since),
        "until": written(until),
        "namespaces": sorted(namespaces),
        "missing": [one.document() for one in (*store.state_at(until).missing, *store.gaps(since, until))],
    }
    return lines(header, (version.document(store.body(version)) for version in found))


def keep(path: Path, found: Iterator[bytes]) -> Slice:
    """Write a slice as a file, whole or not at all, and return what it holds.

    Raises:
        Unavailable: the disk does not take it.
    """
    temporary = path.with_name(f".{path.name}.new")
    count, line = -2, b""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        with temporary.open("wb") as file:
            for line in found:
                file.write(line + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
    return Slice({}, count, digest(line))
