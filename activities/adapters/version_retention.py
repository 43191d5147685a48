"""Keeps the file of the context store within its bounds: what ended long ago goes, what still is never does."""

from activities.adapters import version_schema as schema
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import FOREVER

SHARE = 10
"""One of so many ended versions goes at a time when the file is too large."""
AT_ONCE = 20_000
"""Versions that one transaction forgets: whoever writes waits no longer than that takes."""


def forget(writer: VersionWriter, before: int, most_bytes: int) -> int:
    """Forget what ended before a moment, then the oldest until the file fits; return how many versions went.

    From then on nothing is answered about moments before the horizon that this moves.
    """
    gone = _until(writer, before)
    while _bytes(writer) > most_bytes:
        horizon = _oldest_share(writer)
        if horizon is None:
            break  # all that is left still is
        gone += _until(writer, horizon)
    return gone


def _until(writer: VersionWriter, horizon: int) -> int:
    gone = 0
    while True:
        with writer.transaction():
            some = writer.file.execute(
                "DELETE FROM versions WHERE id IN (SELECT id FROM versions WHERE end_hi <= ? LIMIT ?)",
                (horizon, AT_ONCE),
            ).rowcount
            if some:
                known = writer.file.execute(
                    "SELECT value FROM facts WHERE name = ?", (schema.HORIZON,)
                ).fetchone()
                moved = max(horizon, known[0] if known else 0)
                writer.file.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (schema.HORIZON, moved))
        gone += some
        if some < AT_ONCE:
            break
    if gone:
        _sweep(writer)  # most of the room is that of bodies: only now is it known how much there is
    return gone


def _oldest_share(writer: VersionWriter) -> int | None:
    with schema.translated(writer.path):
        (ended,) = writer.file.execute(
            "SELECT count(*) FROM versions WHERE end_hi < ?", (FOREVER,)
        ).fetchone()
        row = writer.file.execute(
            "SELECT end_hi FROM versions WHERE end_hi < ? ORDER BY end_hi LIMIT 1 OFFSET ?",
            (FOREVER, ended // SHARE),
        ).fetchone()
    return int(row[0]) if row else None


def _bytes(writer: VersionWriter) -> int:
    with schema.translated(writer.path):
        pages, free, size = (
            int(writer.file.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def _sweep(writer: VersionWriter) -> None:
    """Let go of what no version needs any more, and give the disk back."""
    with writer.transaction():
        file = writer.file
        file.execute("DELETE FROM objects WHERE id NOT IN (SELECT object FROM versions)")
        file.execute("DELETE FROM bodies WHERE id NOT IN (SELECT body FROM versions)")
        file.execute(
            "DELETE FROM causes WHERE id NOT IN (SELECT cause FROM versions WHERE cause IS NOT NULL)"
            " AND id NOT IN (SELECT end_cause FROM versions WHERE end_cause IS NOT NULL)"
        )
        file.execute(
            "DELETE FROM gaps WHERE hi <= (SELECT value FROM facts WHERE name = ?)", (schema.HORIZON,)
        )
    with schema.translated(writer.path):
        writer.file.execute("PRAGMA incremental_vacuum").fetchall()
        writer.file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
