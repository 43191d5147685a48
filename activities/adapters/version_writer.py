"""Writes the context store: versions, gaps, and how far each watch has come, in one transaction at a time."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

from activities.adapters import version_schema as schema
from activities.graph.chronology import FOREVER, When
from activities.graph.collected import Kind, api_version
from activities.graph.recording import Begun, Ended, Gap, Held, Recorder, Step


class VersionWriter:
    """The one writer of a file. Methods raise `Unavailable` when the disk does not take it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; raises as `version_schema.opened`."""
        self.path = path
        self._file = schema.opened(path)
        self._kinds: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of it or nothing."""
        with schema.translated(self.path):
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @property
    def file(self) -> sqlite3.Connection:
        """The connection, for what is done in the same transaction."""
        return self._file

    def recorder(self, kind: Kind, *, metadata_only: bool = False) -> Recorder:
        """Return what is known of a kind, to go on from."""
        name, version = kind[0], api_version(kind[1])
        with schema.translated(self.path):
            self._file.execute(
                "INSERT OR IGNORE INTO kinds (api_version, kind) VALUES (?, ?)", (version, name)
            )
            number, revision, heard = self._file.execute(
                "SELECT id, revision, heard FROM kinds WHERE api_version = ? AND kind = ?", (version, name)
            ).fetchone()
            self._kinds[kind[1].plural + "." + kind[1].group] = number
            known = dict(self._held(number))
        return Recorder(name, known, heard=heard, revision=revision, metadata_only=metadata_only)

    def _held(self, kind: int) -> Iterator[tuple[str, Held]]:
        rows = self._file.execute(
            "SELECT o.uid, o.namespace, o.name, v.revision, b.digest, v.begin_lo, v.begin_at, v.begin_hi"
            " FROM objects o JOIN versions v ON v.object = o.id JOIN bodies b ON b.id = v.body"
            " WHERE o.kind = ? AND v.end_hi = ?",
            (kind, FOREVER),
        )
        for uid, namespace, name, revision, digest, lo, at, hi in rows:
            yield uid, Held(namespace, name, revision, digest, When(lo, at, hi))

    def write(self, kind: Kind, steps: Iterable[Step], revision: str, heard: int) -> None:
        """Write what a watch told, and up to which revision and moment that is all. In a transaction only."""
        number = self._number(kind)
        for step in steps:
            if isinstance(step, Begun):
                self._begin(number, step)
            elif isinstance(step, Ended):
                self._end(number, step)
            else:
                self._gap(number, step)
        self._file.execute(
            "UPDATE kinds SET revision = ?, heard = ? WHERE id = ?",
            (revision, heard, number),
        )

    def _number(self, kind: Kind) -> int:
        return self._kinds[kind[1].plural + "." + kind[1].group]

    def _begin(self, kind: int, step: Begun) -> None:
        what = step.what
        self._file.execute(
            "INSERT OR IGNORE INTO objects (kind, namespace, name, uid) VALUES (?, ?, ?, ?)",
            (kind, what.namespace, what.name, what.uid),
        )
        found = self._file.execute("SELECT id FROM objects WHERE kind = ? AND uid = ?", (kind, what.uid))
        (number,) = found.fetchone()
        if step.before is not None:
            self._finish(number, step.before, step.observed, what.revision)
        begins = step.begins
        self._file.execute(
            "INSERT INTO versions (object, body, revision, begin_lo, begin_at, begin_hi, end_lo, end_at, end_hi,"
            " observed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(number, self._body(step.digest, what.body), what.revision),
                *(begins.lo, begins.at, begins.hi, FOREVER, FOREVER, FOREVER, step.observed),
            ),
        )

    def _body(self, digest: bytes, body: bytes) -> int:
        known = self._file.execute("SELECT id FROM bodies WHERE digest = ?", (digest,)).fetchone()
        if known:
            return int(known[0])
        made = self._file.execute(
            "INSERT INTO bodies (digest, data) VALUES (?, ?)", (digest, schema.packed(body))
        )
        return int(made.lastrowid or 0)

    def _end(self, kind: int, step: Ended) -> None:
        found = self._file.execute("SELECT id FROM objects WHERE kind = ? AND uid = ?", (kind, step.uid))
        if row := found.fetchone():
            self._finish(row[0], step.ends, step.observed, step.revision)

    def _finish(self, number: int, ends: When, observed: int, revision: str) -> None:
        self._file.execute(
            "UPDATE versions SET end_lo = ?, end_at = ?, end_hi = ?, ended = ?, end_revision = ?"
            " WHERE object = ? AND +end_hi = ?",  # +: not by the index in time, in which all that is stands
            (ends.lo, ends.at, ends.hi, observed, revision, number, FOREVER),
        )

    def _gap(self, kind: int, step: Gap) -> None:
        self._file.execute(
            "INSERT INTO gaps (kind, lo, hi, reason) VALUES (?, ?, ?, ?)",
            (kind, step.lo, step.hi, step.reason),
        )

    def lost(self, kind: Kind, at: int | None, trouble: str = "") -> None:
        """Note since when a kind is not watched and why; None: it is watched."""
        with schema.translated(self.path):
            self._file.execute(
                "UPDATE kinds SET lost = ?, trouble = ? WHERE id = ?", (at, trouble[:500], self._number(kind))
            )

    def copied(self, target: Path) -> None:
        """Write all that is committed into a new file, without what is empty; others may write meanwhile.

        Raises:
            Unavailable: the disk does not take it.
        """
        with schema.translated(self.path), closing(sqlite3.connect(self.path)) as file:
            file.execute("VACUUM INTO ?", (str(target),))

    def note(self, **facts: int) -> None:
        """Write facts, each with its value."""
        with schema.translated(self.path):
            self._file.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def fact(self, name: str) -> int | None:
        """Return one fact."""
        with schema.translated(self.path):
            row = self._file.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else None

    def remembers(self, cluster: str) -> bool:
        """Return whether the file is about the cluster with this UID; a new file is from now on."""
        told = int.from_bytes(sha256(cluster.encode()).digest()[:7], "big")
        known = self.fact("cluster")
        if known is None:
            self.note(cluster=told)
        return known in (None, told)
