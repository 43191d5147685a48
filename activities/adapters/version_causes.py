"""Joins the API server's audit events to versions: who made this change.

An event that carries the revision it made names its version. One that does not (most of them: the server does
not say) names the only version of its object that can have begun while it was being carried out; where several
can, or where the watch was broken then, nobody is named.
"""

from dataclasses import dataclass

from activities.adapters import version_schema as schema
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND

NARROW = 5 * SECOND
"""A change that is not dated better than this is nobody's: others may have come before it, unseen."""


@dataclass(frozen=True, slots=True)
class Done:
    """One write that the API server carried out; moments are its own, in microseconds since 1970."""

    audit_id: str
    user: str
    verb: str
    kind: str
    namespace: str
    name: str
    uid: str
    revision: str
    received: int
    done: int


def explain(writer: VersionWriter, done: Done) -> bool:
    """Note the cause of a version; return whether there was such a version. To be called in a transaction."""
    deleted = _only(writer, _ENDED, done) if done.verb == "delete" else None
    # A delete that waits for somebody ends nothing yet: it begins a version that says so.
    version = deleted or _only(writer, _BEGUN, done)
    if version is None:
        return False
    file = writer.file
    file.execute(
        "INSERT OR IGNORE INTO causes (audit_id, user, verb, received, done) VALUES (?, ?, ?, ?, ?)",
        (done.audit_id, done.user, done.verb, done.received, done.done),
    )
    (cause,) = file.execute("SELECT id FROM causes WHERE audit_id = ?", (done.audit_id,)).fetchone()
    file.execute(_NOTE_END if deleted else _NOTE_BEGIN, (cause, done.done, version))
    if not deleted:
        file.execute(_BEFORE, (version, version))
    return True


_NOTE_BEGIN = (
    "UPDATE versions SET cause = ?, begin_at = max(begin_lo, min(begin_hi, ?), coalesce((SELECT max(p.begin_at)"
    " FROM versions p WHERE p.object = versions.object AND p.id < versions.id), 0)) WHERE id = ?"
)
_NOTE_END = "UPDATE versions SET end_cause = ?, end_at = max(end_lo, begin_at, min(end_hi, ?)) WHERE id = ?"
_BEFORE = (
    "UPDATE versions SET end_at = (SELECT begin_at FROM versions WHERE id = ?) WHERE id = (SELECT p.id FROM"
    " versions p JOIN versions v ON v.object = p.object AND p.id < v.id WHERE v.id = ? ORDER BY p.id DESC LIMIT 1)"
)
"""What was until then ends where the next begins. The interval stays: it is of our own clock, the event is not."""


def _only(writer: VersionWriter, query: str, done: Done) -> int | None:
    """Return the one version that a write can have begun, or ended; None where several can."""
    with schema.translated(writer.path):
        rows = writer.file.execute(query, _of(done)).fetchall()
    return int(rows[0][0]) if len(rows) == 1 else None


def _of(done: Done) -> dict[str, object]:
    return {
        "kind": done.kind,
        "name": done.name,
        "namespace": done.namespace,
        "uid": done.uid,
        "revision": done.revision,
        "received": done.received,
        "done": done.done,
        "narrow": NARROW,
    }


_OBJECT = (
    "SELECT v.id FROM objects o JOIN kinds k ON k.id = o.kind JOIN versions v ON v.object = o.id"
    " WHERE o.name = :name AND o.namespace = :namespace AND k.kind = :kind AND :uid IN ('', o.uid)"
)
_BEGUN = (
    _OBJECT + " AND (v.revision = :revision OR (:revision = '' AND v.cause IS NULL AND v.begin_lo <= :done"
    " AND v.begin_hi >= :received AND v.begin_hi - v.begin_lo <= :narrow)) LIMIT 2"
)
_ENDED = (
    _OBJECT + " AND (v.end_cause IS NULL"
    " AND v.end_lo <= :done AND v.end_hi >= :received AND v.end_hi - v.end_lo <= :narrow) LIMIT 2"
)
