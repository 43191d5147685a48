"""Append pages to a file, one JSON object a line, each key once."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activities.notifier import Channel, Desk, Given, Notifier
from signals.errors import Unavailable
from signals.pages import Page

_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class JournalChannel:
    """A file that survives its writers: two may append, and either may be killed in mid-line."""

    def __init__(self, path: Path) -> None:
        """Write to this file; it and its folder are made when the first page comes."""
        self._path = path
        self._known: set[str] = set()
        self._read = 0

    async def tell_owners(self, page: Page, room: str) -> None:
        """As `send`; who reads this reads all of it."""
        await self.send(page)

    async def send(self, page: Page) -> None:
        """Append the page and wait for the disk.

        Raises:
            Unavailable: the file cannot be written.
        """
        try:
            await asyncio.to_thread(self._append, page)
        except OSError as error:
            raise Unavailable(f"cannot write pages to {self._path}: {error.strerror}") from error

    def _append(self, page: Page) -> None:
        with self._alone() as file:
            torn = self._catch_up(file)
            if page.dedup_key in self._known:
                return
            line = page.model_dump_json().encode() + b"\n"
            os.write(file, b"\n" + line if torn else line)
            os.fsync(file)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the file, and its lock against other writers; one that is killed loses it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, _OPEN, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _catch_up(self, file: int) -> bool:
        """Learn the keys that were written since, by anybody; return whether the last line is torn."""
        size = os.fstat(file).st_size
        if size < self._read:
            self._known.clear()  # somebody emptied the file
            self._read = 0
        whole, _, rest = os.pread(file, size - self._read, self._read).rpartition(b"\n")
        self._known.update(_keys(whole))
        self._read = size - len(rest)
        return bool(rest)


def _keys(lines: bytes) -> Iterator[str]:
    for line in lines.splitlines():
        try:
            yield json.loads(line)["dedup_key"]
        except (ValueError, KeyError, TypeError):
            continue  # a line that a killed writer left half done


def connect(given: Given, desk: Desk) -> Channel:
    """Open the journal at `pages_file`."""
    return JournalChannel(Path(given["pages_file"]))


NOTIFIER = Notifier(
    name="journal",
    reaches="whoever reads the file: the drill, tests, a log shipper",
    needs=("pages_file",),
    connect=connect,
)
