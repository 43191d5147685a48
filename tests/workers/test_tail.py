"""The follower of a log file, by itself: what rotation, truncation and a restart do to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from structlog.testing import capture_logs

from tests.workflows.world import Bucket
from workers.tail import Tail


class Taken:
    """Whoever takes lines in, and what they were."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._more = asyncio.Condition()

    async def take(self, items: Sequence[bytes], sender: str, trace: dict[str, str]) -> None:
        async with self._more:
            self.lines += items
            self._more.notify_all()

    async def reached(self, line: bytes) -> None:
        async with asyncio.timeout(5), self._more:
            await self._more.wait_for(lambda: line in self.lines)


@asynccontextmanager
async def following(log: Path, bucket: Bucket) -> AsyncIterator[Taken]:
    taken = Taken()
    task = asyncio.create_task(Tail(log, bucket, taken).follow())
    try:
        yield taken
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_log_that_is_emptied_in_its_place_is_read_on_and_that_is_said(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(b"a long first line\n")
    async with following(log, Bucket()) as taken:
        await taken.reached(b"a long first line")
        with capture_logs() as logs:
            log.write_bytes(b"second\n")
            await taken.reached(b"second")
    assert taken.lines == [b"a long first line", b"second"]
    assert "emptied" in logs[0]["event"]


async def test_a_log_that_was_emptied_while_nobody_read_is_read_from_its_beginning(tmp_path: Path) -> None:
    log, bucket = tmp_path / "audit.log", Bucket()
    log.write_bytes(b"a long first line\n")
    async with following(log, bucket) as taken:
        await taken.reached(b"a long first line")
        await asyncio.sleep(0.05)
    log.write_bytes(b"second\n")
    async with following(log, bucket) as taken:
        await taken.reached(b"second")
