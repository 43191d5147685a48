"""Reads the context store: from the file alone, while somebody writes it or long after everything else is dead.

The state of a moment is an index: one row of numbers for each object. Names and bodies are read for those that
are asked for, and unpacked one by one.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from activities.adapters import version_schema as schema
from activities.graph.chronology import FOREVER, SECOND, When
from activities.graph.past import EVERYTHING, Cause, Held, Missing, State, Version, Why, written
from activities.graph.projection import Named, restore
from activities.ports import Manifest

BEHIND = 10 * SECOND
"""By how much a writer may lag before a moment counts as not yet known."""
_AT_ONCE = 500
"""Rows that one query asks for by number."""

_VERSION = (
    "SELECT v.id, k.api_version, k.kind, o.namespace, o.name, o.uid, v.revision, v.begin_lo, v.begin_at,"
    " v.begin_hi, v.end_lo, v.end_at, v.end_hi, v.observed, v.ended, c.audit_id, c.user, c.verb,"
    " e.audit_id, e.user, e.verb"
    " FROM versions v JOIN objects o ON o.id = v.object JOIN kinds k ON k.id = o.kind"
    " LEFT JOIN causes c ON c.id = v.cause LEFT JOIN causes e ON e.id = v.end_cause"
)

_BODY = (
    "SELECT v.id, k.api_version, k.kind, o.namespace, o.name, o.uid, v.revision, b.data"
    " FROM versions v JOIN objects o ON o.id = v.object JOIN kinds k ON k.id = o.kind"
    " JOIN bodies b ON b.id = v.body"
)


class VersionFile:
    """A context store to read. Methods raise `Unavailable` if the file is held, `BadInput` if it is damaged."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises as `version_schema.readable`."""
        self.path = path
        self._file = schema.readable(path)

    def __enter__(self) -> "VersionFile":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def state_at(self, at: int) -> State:
        """Return the index of one moment."""
        with schema.translated(self.path):
            rows = self._file.execute(
                "SELECT object, id, begin_hi <= :at AND end_lo > :at, begin_at <= :at AND end_at > :at"
                " FROM versions WHERE end_hi > :at AND begin_lo <= :at",
                {"at": at},
            ).fetchall()
            missing = tuple(self._missing(at))
        held = tuple([row for row in rows if row[3]])
        unsure = tuple([row for row in rows if not row[3]])
        return State(at, held, unsure, missing)

    def _missing(self, at: int) -> Iterator[Missing]:
        horizon = self.fact(schema.HORIZON) or 0
        if at < horizon:
            detail = f"nothing is kept from before {written(horizon)}"
            yield Missing(EVERYTHING, Why.FORGOTTEN, detail, 0, horizon)
        alive = self.fact(schema.ALIVE) or 0
        for number, kind, heard, lost, trouble in self._file.execute(
            "SELECT id, kind, heard, lost, trouble FROM kinds ORDER BY kind, api_version"
        ).fetchall():
            if not heard:
                if trouble:
                    yield Missing(kind, Why.UNWATCHED, trouble)
                continue
            until = max(heard, min(alive, FOREVER if lost is None else lost))
            if at > until + BEHIND:
                detail = f"what changed after {written(until)} is not known{trouble and f' ({trouble})'}"
                yield Missing(kind, Why.BEHIND, detail, until)
            for lo, hi in self._file.execute(
                "SELECT lo, hi FROM gaps WHERE kind = ? AND lo <= ? AND hi > ?", (number, at, at)
            ).fetchall():
                yield _gap(kind, lo, hi)

    def fact(self, name: str) -> int | None:
        """Return one fact of the file."""
        row = self._file.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else None

    def manifests(
        self, held: Collection[Held], kinds: Collection[str] = (), namespaces: Collection[str] = ()
    ) -> Iterator[tuple[Held, Manifest]]:
        """Yield the manifests of versions of an index; of some kinds and namespaces only, if any are given."""
        wanted = {one[1]: one for one in held}
        for rows in self._rows(sorted(wanted), kinds, namespaces):
            for version, api_version, kind, namespace, name, uid, revision, data in rows:
                named = Named(api_version, kind, namespace, name, uid)
                yield wanted[version], restore(named, revision, schema.unpacked(data))

    def _rows(
        self, versions: list[int], kinds: Collection[str], namespaces: Collection[str]
    ) -> Iterator[list[Any]]:
        chosen = _among("k.kind", kinds) + _among("o.namespace", namespaces)
        for first in range(0, len(versions), _AT_ONCE):
            some = versions[first : first + _AT_ONCE]
            with schema.translated(self.path):
                where = f" WHERE v.id IN ({_marks(some)}){chosen}"
                yield self._file.execute(_BODY + where, (*some, *kinds, *namespaces)).fetchall()

    def history(self, kind: str, namespace: str, name: str) -> list[Version]:
        """Return all versions of all objects that had this name, oldest first."""
        return self._versions(
            " WHERE o.name = ? AND o.namespace = ? AND lower(k.kind) = lower(?) ORDER BY v.begin_at, v.id",
            (name, namespace, kind),
        )

    def versions(self, numbers: Collection[int]) -> list[Version]:
        """Return versions by their numbers, oldest first."""
        found: list[Version] = []
        ordered = sorted(numbers)
        for first in range(0, len(ordered), _AT_ONCE):
            some = ordered[first : first + _AT_ONCE]
            found += self._versions(f" WHERE v.id IN ({_marks(some)})", tuple(some))
        return sorted(found, key=lambda one: (one.begins.at, one.id))

    def between(self, since: int, until: int, namespaces: Collection[str] = ()) -> list[Version]:
        """Return all versions that may have been in force in an interval; of namespaces also what has none."""
        chosen = f" AND (o.namespace = '' OR o.namespace IN ({_marks(namespaces)}))" if namespaces else ""
        where = f" WHERE v.end_hi > ? AND v.begin_lo <= ?{chosen} ORDER BY v.begin_at, v.id"
        return self._versions(where, (since, until, *namespaces))

    def gaps(self, since: int, until: int) -> list[Missing]:
        """Return the gaps that touch an interval."""
        with schema.translated(self.path):
            rows = self._file.execute(
                "SELECT k.kind, g.lo, g.hi FROM gaps g JOIN kinds k ON k.id = g.kind"
                " WHERE g.hi > ? AND g.lo <= ? ORDER BY g.lo, k.kind",
                (since, until),
            ).fetchall()
        return [_gap(kind, lo, hi) for kind, lo, hi in rows]

    def _versions(self, where: str, values: tuple[Any, ...]) -> list[Version]:
        with schema.translated(self.path):
            return [_version(row) for row in self._file.execute(_VERSION + where, values).fetchall()]

    def body(self, version: Version) -> Manifest:
        """Return the manifest of one version."""
        for _, manifest in self.manifests([(0, version.id, 1, 1)]):
            return manifest
        return {}

    def counts(self) -> dict[str, int]:
        """Return how much the file holds: objects that are, versions, bodies, gaps, and bytes."""
        with schema.translated(self.path):
            count = {
                name: int(self._file.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - ours
                for name, table in (
                    ("objects", f"versions WHERE end_hi = {FOREVER}"),
                    ("versions", "versions"),
                    ("bodies", "bodies"),
                    ("gaps", "gaps"),
                )
            }
            pages = self._file.execute("PRAGMA page_count").fetchone()[0]
            size = self._file.execute("PRAGMA page_size").fetchone()[0]
        return {**count, "bytes": int(pages) * int(size)}

    def kinds(self) -> list[dict[str, Any]]:
        """Return each kind with how far it is known and what is the matter with it."""
        with schema.translated(self.path):
            rows = self._file.execute(
                "SELECT k.kind, k.api_version, k.heard, k.lost, k.trouble, count(v.id) FROM kinds k"
                " LEFT JOIN objects o ON o.kind = k.id LEFT JOIN versions v ON v.object = o.id AND v.end_hi = ?"
                " GROUP BY k.id ORDER BY k.api_version, k.kind",
                (FOREVER,),
            ).fetchall()
        names = ("kind", "api_version", "heard", "lost", "trouble", "objects")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def broken(self) -> tuple[str, ...]:
        """Return the kinds that were watched and are not now."""
        with schema.translated(self.path):
            rows = self._file.execute(
                "SELECT DISTINCT kind FROM kinds WHERE heard > 0 AND lost IS NOT NULL ORDER BY kind"
            ).fetchall()
        return tuple(kind for (kind,) in rows)


def _gap(kind: str, lo: int, hi: int) -> Missing:
    if lo == 0:
        detail = f"what was before {written(hi)} is known only from objects that still were then"
        return Missing(kind, Why.BEFORE, detail, 0, hi)
    detail = f"the watch was broken from {written(lo)} to {written(hi)}: what came and went then is not known"
    return Missing(kind, Why.GAP, detail, lo, hi)


def _version(row: Any) -> Version:
    cause, end_cause = row[15:18], row[18:21]
    return Version(
        id=row[0],
        named=Named(*row[1:6]),
        revision=row[6],
        begins=When(*row[7:10]),
        ends=When(*row[10:13]),
        observed=row[13],
        end_observed=row[14],
        cause=Cause(*cause) if cause[0] else None,
        end_cause=Cause(*end_cause) if end_cause[0] else None,
    )


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _among(column: str, values: Collection[str]) -> str:
    return f" AND {column} IN ({_marks(values)})" if values else ""
