"""The life of a detecting agent: take a feed in, follow the cluster, detect, count, publish, and end in order."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar

import structlog

from signals.errors import FirebreakError, Unavailable
from signals.subjects import feed_stream, state_bucket
from workers.agent import Context, ended
from workers.chain import ThreatPublisher
from workers.counting import Counting
from workers.doors import Door
from workers.feed import Source
from workers.guarding import AGAIN_SECONDS, Guarding, Reading
from workers.intake import Intake
from workers.observing import Observing
from workers.pod_index import PodIndex
from workers.receiver import Receiver

BATCH = 50
"""Feed messages in hand at one time; each may hold many requests."""
TRAIL_SECONDS = 0.5
"""How often it is looked whether a flood has come to its end."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Detecting(Generic[T]):
    """One detecting agent."""

    def __init__(self, context: Context, source: Source[T], reading: Reading[T], index: PodIndex) -> None:
        """Read this feed as this agent."""
        self._context = context
        self._source = source
        self._index = index
        self._counting = Counting(context.bus.kv(state_bucket(source.agent)))
        self.intake = Intake(context.bus, source)
        self._observing = Observing(context.bus)
        self._guarding = Guarding(
            source=source,
            reading=reading,
            counting=self._counting,
            publisher=ThreatPublisher(
                context.bus, context.signer, context.cluster.ref, context.settings.replica
            ),
            bus=context.bus,
            observing=self._observing,
        )

    async def run(self, doors: Sequence[Door], *also: Coroutine[Any, Any, None]) -> None:
        """Receive at these doors, detect and publish until told to stop; `also` runs beside it."""
        async with AsyncExitStack() as open_doors:
            for door in doors:
                await open_doors.enter_async_context(Receiver(door, self.intake))
            await self._work(also)

    async def _work(self, also: Sequence[Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            following = self._index.follow(self._context.cluster)
            work = (following, self._observing.serve(), self._sweep(), self._guard(), self._trail(), *also)
            background = [group.create_task(one) for one in work]
            await self._context.stopping.wait()
            async with self._guarding.at_work:
                for task in background:
                    task.cancel()
                await self._guarding.tell_trailing(0)
            await ended(background)

    async def _guard(self) -> None:
        """Consume once the index is complete: no pod is unknown only because we are new."""
        await self._index.synced()
        self._context.ready()
        agent = self._source.agent
        async for messages in self._context.bus.consume(feed_stream(agent), agent, batch=BATCH):
            try:
                await self._guarding.handle(messages)
            except FirebreakError as error:
                log.warning("a batch comes again", what=self._source.what, error=str(error))

    async def _trail(self) -> None:
        while True:
            await asyncio.sleep(TRAIL_SECONDS)
            await self._guarding.tell_trailing()

    async def _sweep(self) -> None:
        while True:
            try:
                await self._counting.sweep()
            except Unavailable as error:
                log.warning("old counts are deleted later", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)
