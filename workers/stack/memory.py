"""How the context store is, for the status document: from its file, whether or not the agent runs."""

import time
from pathlib import Path

from pydantic import BaseModel

from signals.errors import FirebreakError


class Memory(BaseModel, frozen=True):
    """What the context store remembers, and how far behind it is."""

    objects: int
    """Objects that there are now."""
    versions: int
    """Versions that are kept of all objects."""
    gaps: int
    """Times in which one kind was not watched: what came and went then is not known."""
    lag_seconds: float
    """Since it last wrote; it writes every second."""
    broken: tuple[str, ...] = ()
    """Kinds whose watch is broken now."""


LATE = 10.0
"""Seconds of lag after which the store answers that it does not know the present."""


def memory(file: Path) -> Memory | None:
    """Return how a store is; None where there is none, or it cannot be read."""
    from activities.adapters.version_file import VersionFile

    try:
        with VersionFile(file) as store:
            now = time.time_ns() // 1000
            counts = store.counts()
            return Memory(
                objects=counts["objects"],
                versions=counts["versions"],
                gaps=sum(one.lo > 0 for one in store.gaps(1, now)),
                lag_seconds=round(max(0, now - (store.fact("alive") or 0)) / 1e6, 3),
                broken=store.broken(),
            )
    except FirebreakError:
        return None


def told(memory: Memory) -> str:
    """Return it as a line for people."""
    late = "" if memory.lag_seconds <= LATE else ": LATE, is the agent context-store well?"
    broken = f"; not watched now: {', '.join(memory.broken)}" if memory.broken else ""
    return (
        f"context store: {memory.objects} objects, {memory.versions} versions, {memory.gaps} gaps,"
        f" last written {memory.lag_seconds:.1f} s ago{late}{broken}"
    )
