"""A context store's file in which things came and went at known moments, made without any server."""

import copy
from collections.abc import Iterable
from pathlib import Path

from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND
from activities.graph.collected import BUILT_IN
from activities.ports import Manifest

MINUTE = 60 * SECOND
Change = tuple[int, str, Manifest]
"""When it was seen (microseconds), ADDED, MODIFIED or DELETED, and the object."""


def remember(path: Path, changes: Iterable[Change], *, since: int, alive: int) -> Path:
    """Write a file that knows all of every built-in kind from `since` to `alive`, and return its path."""
    writer = VersionWriter(path)
    recorders = {kind[0]: (kind, writer.recorder(kind)) for kind in BUILT_IN}
    with writer.transaction():
        for kind, recorder in recorders.values():
            recorder.listing()
            writer.write(kind, [*recorder.listed("10", since - SECOND, since)], "10", recorder.heard)
            writer.lost(kind, None)
        for revision, (at, what, manifest) in enumerate(changes, 11):
            kind, recorder = recorders[manifest["kind"]]
            whole = copy.deepcopy(manifest)
            metadata = whole["metadata"]
            metadata.setdefault("uid", f"{kind[0]}-{metadata.get('namespace', '')}-{metadata['name']}")
            metadata["resourceVersion"] = str(revision)
            writer.write(kind, [*recorder.changed(what, whole, at, None)], str(revision), at)
        for kind, _ in recorders.values():
            writer.write(kind, [], "999", alive)
        writer.note(alive=alive)
    writer.close()
    return path
