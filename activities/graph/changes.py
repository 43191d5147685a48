"""What differs between two manifests: each place once, as deep as it differs."""

from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = object()
"""Stands for a value that is not there."""
_VERSIONED = frozenset({"resourceVersion"})


def changes(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, value before, value after) of every difference; a list that differs is one."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            if path == "metadata" and key in _VERSIONED:
                continue
            yield from changes(
                before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}" if path else str(key)
            )
    elif before != after:
        yield path, before, after


def places(before: Any, after: Any) -> list[str]:
    """Return where two manifests differ."""
    return [path for path, _, _ in changes(before, after)]
