"""The heartbeat of a long activity: a dead executor is noticed in seconds, not by its time-out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

HEARTBEAT_SECONDS = 0.5


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat while the work runs, so that a dead executor is noticed in seconds."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(
                HEARTBEAT_SECONDS
            )  # what is done by then needs no beat, which Temporal writes down
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
