"""Copies of the context store's file in the object store, so that a lost disk costs no more than an hour.

A copy is whole or it is not there. A file that is there is never replaced by a copy.
"""

import asyncio
import zlib
from pathlib import Path

import structlog

from activities.adapters.nats_objects import NatsObjects
from activities.adapters.version_schema import readable
from activities.adapters.version_writer import VersionWriter
from signals.errors import BadInput, FirebreakError, Unavailable

NAME = "versions.db.zlib"
MOST_BYTES = 400 << 20
"""A larger copy would push the one before out of the object store while it is being written."""

log = structlog.get_logger(__name__)


async def keep(writer: VersionWriter, objects: NatsObjects, every_seconds: float) -> None:
    """Put a copy into the object store from time to time, until cancelled."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await put(writer, objects)
        except FirebreakError as error:
            log.warning("no copy of the context store was kept", error=str(error))


async def put(writer: VersionWriter, objects: NatsObjects) -> int:
    """Put a copy into the object store, and return how many bytes it has there.

    Raises:
        Unavailable: the disk or NATS does not take it.
        BadInput: it is too large for the object store.
    """
    packed = await asyncio.to_thread(_packed, writer)
    if len(packed) > MOST_BYTES:
        raise BadInput(
            f"a copy of {len(packed) >> 20} MiB does not fit; keep fewer days, or back up the file"
        )
    digest = await objects.put(NAME, packed)
    log.info("a copy of the context store is kept", bytes=len(packed), sha256=digest)
    return len(packed)


async def restore(path: Path, objects: NatsObjects) -> bool:
    """Write the last copy where there is no file; return whether there was one.

    What cannot be restored is logged: an empty memory is better than none.
    """
    try:
        if await asyncio.to_thread(path.exists):
            return False
        packed = await objects.get(NAME)
        if packed is None:
            return False
        await asyncio.to_thread(_unpack, packed, path)
    except FirebreakError as error:
        log.error("the copy of the context store cannot be restored", error=str(error))
        return False
    log.warning("the context store was restored from its last copy", file=str(path))
    return True


def _packed(writer: VersionWriter) -> bytes:
    copy = writer.path.with_suffix(".copy")
    copy.unlink(missing_ok=True)
    try:
        writer.copied(copy)
        return zlib.compress(copy.read_bytes(), 3)
    except OSError as error:
        raise Unavailable(f"{copy} cannot be read: {error.strerror}") from error
    finally:
        copy.unlink(missing_ok=True)


def _unpack(packed: bytes, path: Path) -> None:
    fresh = path.with_suffix(".restored")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(zlib.decompress(packed))
        readable(fresh).close()
        fresh.replace(path)
    except (OSError, zlib.error) as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
