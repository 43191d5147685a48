"""Follows an audit log file across rotations and restarts, and loses nothing that the files still hold.

The API server has written a line before it answers the request, and waits for nobody here: a reader that is down
or slow costs it nothing. How far we are is written down only after what was read is durable; what is read twice
counts once.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import msgspec
import structlog

from activities.ports import KeyValue
from signals.errors import Conflict, Unavailable

CHUNK = 1 << 20
"""Bytes that are read at once."""
LINE_LIMIT = 16 << 20
"""A line longer than this is none: it is passed over."""
PAUSE_SECONDS = 0.2
"""How often it is looked whether the file has grown."""
RETRY_SECONDS = 1.0
PLACE = "tail"
"""Key of the bucket under which it stands how far we are."""

log = structlog.get_logger(__name__)


class Place(msgspec.Struct, frozen=True):
    """How far we are: which file, by its inode, and how many bytes of it."""

    inode: int
    offset: int


@dataclass
class _Open:
    """One open file, and where its next line begins."""

    file: IO[bytes]
    inode: int
    offset: int


class Takes(Protocol):
    """Whoever takes lines in: durably before `take` returns, or again after a restart without harm."""

    async def take(self, items: Sequence[bytes], sender: str, trace: dict[str, str]) -> object:
        """Take lines of the log in; raises `Unavailable` where they are to be read again."""


class Tail:
    """Follows one log file."""

    def __init__(self, path: Path, bucket: KeyValue, intake: Takes) -> None:
        """Read this file into this intake, and remember in this bucket how far."""
        self._path = path
        self._bucket = bucket
        self._intake = intake

    async def follow(self) -> None:
        """Follow it until cancelled. What cannot be stored now is read again."""
        while True:
            try:
                await self._follow()
            except (Unavailable, Conflict, OSError) as error:
                log.warning("the audit log is read later", file=str(self._path), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        for path, place in await self._rest():
            current = path == self._path
            opened = await asyncio.to_thread(_opened, path, place)
            try:
                while True:
                    moved = await self._read(opened)
                    if moved:
                        continue
                    if not current or await asyncio.to_thread(self._rotated, opened.inode):
                        break
                    await asyncio.sleep(PAUSE_SECONDS)
                while await self._read(opened):
                    continue
            finally:
                opened.file.close()

    async def _rest(self) -> list[tuple[Path, int]]:
        """Return the files that are still to be read, the oldest first, and where to begin in each."""
        if not await asyncio.to_thread(self._path.exists):
            await asyncio.sleep(PAUSE_SECONDS)
            return []
        entry = await self._bucket.get(PLACE)
        files = await asyncio.to_thread(self._files)
        if entry is None:
            return [(path, 0) for path, _ in files]
        place = msgspec.msgpack.decode(entry.value, type=Place)
        inodes = [inode for _, inode in files]
        if place.inode not in inodes:
            log.error("audit events were lost: the log was rotated away unread", file=str(self._path))
            return [(path, 0) for path, _ in files]
        rest = files[inodes.index(place.inode) :]
        return [(rest[0][0], place.offset), *((path, 0) for path, _ in rest[1:])]

    def _files(self) -> list[tuple[Path, int]]:
        """Return the rotated files, oldest first, and the current one, each with its inode."""
        pattern = f"{self._path.stem}-*{self._path.suffix}"
        rotated = sorted(self._path.parent.glob(pattern), key=lambda path: path.stat().st_mtime)
        return [(path, path.stat().st_ino) for path in (*rotated, self._path)]

    def _rotated(self, inode: int) -> bool:
        try:
            return self._path.stat().st_ino != inode
        except FileNotFoundError:
            return False

    async def _read(self, opened: _Open) -> bool:
        """Take the next whole lines in; return whether there were any."""
        data = await asyncio.to_thread(_lines, opened.file, opened.offset)
        if not data:
            return await asyncio.to_thread(self._emptied, opened)
        lines = [line for line in data.split(b"\n") if line.strip()]
        await self._intake.take(lines, self._path.name, {})
        opened.offset += len(data)
        await self._keep(Place(opened.inode, opened.offset))
        return True

    def _emptied(self, opened: _Open) -> bool:
        """Return whether the file was cut down in its place, as `copytruncate` does; then begin it anew."""
        if os.fstat(opened.file.fileno()).st_size >= opened.offset:
            return False
        log.error("the audit log was emptied; what was not read yet is lost", file=str(self._path))
        opened.offset = 0
        return True

    async def _keep(self, place: Place) -> None:
        value = msgspec.msgpack.encode(place)
        entry = await self._bucket.get(PLACE)
        if entry is None:
            await self._bucket.create(PLACE, value)
        else:
            await self._bucket.update(PLACE, value, entry.revision)


def _opened(path: Path, offset: int) -> _Open:
    file = path.open("rb")
    status = os.fstat(file.fileno())
    return _Open(file, status.st_ino, offset if offset <= status.st_size else 0)


def _lines(file: IO[bytes], offset: int) -> bytes:
    """Return whole lines from an offset on, about a chunk of them; nothing while the last is being written."""
    file.seek(offset)
    data = file.read(CHUNK)
    while data and b"\n" not in data and len(data) < LINE_LIMIT:
        more = file.read(CHUNK)
        if not more:
            return b""
        data += more
    end = data.rfind(b"\n") + 1
    return data[:end] if end else data
