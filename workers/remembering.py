"""Follows every kind, and writes what changed: a few transactions a second, each with how far it has come.

What is told while the disk is busy waits, up to a bound; then the watches wait. A process that dies loses
nothing that the API server still has: what was not written is told again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from activities import metrics
from activities.adapters import version_schema as schema
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND, Ticks
from activities.graph.collected import Kind
from activities.graph.recording import Ended, Gap, Recorder, Step
from activities.ports import Change, Following
from signals.errors import FirebreakError, NotFound, Refused, Unavailable

FLUSH_SECONDS = 0.1
"""How long a change may wait for others to be written with it."""
MOST_PENDING = 5000
"""Changes that wait for the disk before the watches wait."""
BUSY_SECONDS, IDLE_SECONDS = 0.25, 2.0
"""How often the API server's counter is read while things change, and while nothing does."""
ABSENT_SECONDS, REFUSED_SECONDS = 60.0, 5.0
"""How often a kind that the cluster has not, or that we may not read, is tried again."""

_TICK = (schema.TICK_ASKED, schema.TICK_ANSWERED, schema.TICK_REVISION)
log = structlog.get_logger(__name__)


def now() -> int:
    """Return microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Followed:
    """One kind, and what is the matter with it: since when it is not watched (None: it is) and why."""

    kind: Kind
    recorder: Recorder
    metadata_only: bool
    lost: int | None = 0
    trouble: str = ""
    pending: list[Step] = field(default_factory=list)
    dirty: bool = False

    def batch(self) -> "Batch":
        """Return what is to be written, all of one moment."""
        self.dirty = False
        recorder = self.recorder
        return Batch(self, [*self.pending], recorder.revision, recorder.heard, self.lost, self.trouble)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes of one kind."""

    followed: Followed
    steps: list[Step]
    revision: str
    heard: int
    lost: int | None
    trouble: str


class Remembering:
    """The context store's memory at work."""

    def __init__(
        self,
        writer: VersionWriter,
        following: Following,
        kinds: Mapping[Kind, bool],
        clock: Callable[[], int] = now,
    ) -> None:
        """Follow these kinds; True means that only metadata is kept."""
        self._writer = writer
        self._following = following
        self._clock = clock
        self.ticks = Ticks()
        self._kinds = [
            Followed(kind, writer.recorder(kind, metadata_only=only), only) for kind, only in kinds.items()
        ]
        self._busy = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._writing = asyncio.Lock()
        self._noted = 0
        last = [writer.fact(name) for name in _TICK]
        if all(part is not None for part in last):
            self.ticks.note(*(part or 0 for part in last))

    async def run(self) -> None:
        """Remember until cancelled; what is known then is written."""
        try:
            await self._tick()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ticking())
                group.create_task(self._flushing())
                for followed in self._kinds:
                    group.create_task(self._follow(followed))
        finally:
            await self.flush()

    async def write(self, what: Callable[[], object]) -> None:
        """Do something to the file in a thread, between two transactions of ours."""
        async with self._writing:
            await asyncio.to_thread(what)

    async def _follow(self, followed: Followed) -> None:
        while True:
            trouble, pause = "", ABSENT_SECONDS
            try:
                await self._watch(followed)
            except NotFound:
                pass  # a cluster without the kind is not missing it
            except Refused as error:
                trouble, pause = f"it may not be read: {error}", REFUSED_SECONDS
            self._lose(followed, trouble)
            await asyncio.sleep(pause)

    async def _watch(self, followed: Followed) -> None:
        changes = self._following.follow(
            followed.kind[1], followed.recorder.revision, metadata_only=followed.metadata_only
        )
        asked = self._clock()
        async with aclosing(changes) as told:
            async for change in told:
                await self._room.wait()
                if change.type == "LISTING":
                    asked = self._clock()
                self._take(followed, change, asked)

    def _take(self, followed: Followed, change: Change, asked: int) -> None:
        recorder, seen = followed.recorder, self._clock()
        steps: Iterable[Step] = ()
        match change.type:
            case "LISTING":
                recorder.listing()
            case "PAGE":
                steps = recorder.page(change.object["items"], seen, self.ticks)
            case "LISTED":
                steps = recorder.listed(change.object["metadata"]["resourceVersion"], asked, seen)
            case "OPENED":
                followed.lost, followed.trouble = None, ""
            case "LOST":
                self._lose(followed, str(change.object["reason"]))
            case "BOOKMARK":
                recorder.bookmark(change.object["metadata"]["resourceVersion"], seen, self.ticks)
            case _:
                steps = recorder.changed(change.type, change.object, seen, self.ticks)
        followed.pending += steps
        followed.dirty = True
        self._busy.set()
        if sum(len(one.pending) for one in self._kinds) > MOST_PENDING:
            self._room.clear()

    def _lose(self, followed: Followed, trouble: str) -> None:
        if followed.lost is None:
            followed.lost = self._clock()
        if trouble and trouble != followed.trouble:
            log.warning("a watch is broken", kind=followed.kind[0], error=trouble)
        followed.trouble, followed.dirty = trouble, True

    async def _ticking(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._busy.wait()
            except TimeoutError:
                pass
            self._busy.clear()
            await self._tick()
            await asyncio.sleep(BUSY_SECONDS)

    async def _tick(self) -> None:
        """Read the server's counter: it dates the changes before and after."""
        asked = self._clock()
        try:
            revision = await self._following.revision()
        except FirebreakError:
            return
        if revision is not None:
            self.ticks.note(asked, self._clock(), revision)

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what is pending. What the disk does not take stays pending."""
        async with self._writing:
            batches = [one.batch() for one in self._kinds if one.dirty]
            alive = self._clock()
            if not batches and alive - self._noted < SECOND:
                return
            facts = {schema.ALIVE: alive}
            if last := self.ticks.last:
                facts |= dict(zip(_TICK, last, strict=True))
            try:
                await asyncio.to_thread(self._flush, batches, facts)
            except Unavailable as error:
                log.error("the context store cannot be written", error=str(error))
                for batch in batches:
                    batch.followed.dirty = True
                await asyncio.sleep(1.0)
                return
        self._noted = alive
        for batch in batches:
            _count(batch.followed.kind, batch.steps)
            del batch.followed.pending[: len(batch.steps)]
        self._room.set()

    def _flush(self, batches: list["Batch"], facts: dict[str, int]) -> None:
        with self._writer.transaction():
            for batch in batches:
                self._writer.write(batch.followed.kind, batch.steps, batch.revision, batch.heard)
                self._writer.lost(batch.followed.kind, batch.lost, batch.trouble)
            self._writer.note(**facts)


def _count(kind: Kind, steps: list[Step]) -> None:
    gaps = sum(isinstance(step, Gap) and step.lo > 0 for step in steps)
    ended = sum(isinstance(step, Ended) for step in steps)
    metrics.remembered(kind[0], versions=len(steps) - ended - gaps, gaps=gaps)
