"""The queue of messages to Slack: durable, and of many changes only the last.

What is to be said is in the liaison's bucket before anything is sent, so neither a restart nor an hour without
Slack loses it. A message is rendered when its turn comes, from what is true then: forty changes are one update.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from activities.slack.delivery import Delivery
from activities.slack.record import Records, taken
from signals.errors import FirebreakError, Refused, Unavailable
from signals.pages import Page, PageKind

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before Slack is tried again: doubled each time."""

KEPT = timedelta(days=90)
"""How long the message of an incident that is over is known."""

log = structlog.get_logger(__name__)


class Outbox:
    """Messages on their way. One task sends them, one at a time."""

    def __init__(
        self,
        records: Records,
        delivery: Delivery,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep what is due in `records`, and have it delivered."""
        self._records = records
        self._delivery = delivery
        self._sleep = sleep
        self._due: dict[str, None] = {}
        self._news = asyncio.Event()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._later: set[asyncio.Task[None]] = set()

    async def take(self, page: Page, channel: str) -> str:
        """Take a page, durably, and return the name of its message; it is sent by `run`."""
        name = page.incident or f"page:{hashlib.sha256(page.dedup_key.encode()).hexdigest()[:32]}"
        now = datetime.now(UTC)
        await self._records.change(name, lambda old: taken(old, name, channel, page, now))
        if page.kind is PageKind.APPROVAL:
            self._due = {
                name: None,
                **self._due,
            }  # in a burst, what asks somebody goes before what only tells
        self.touch(name)
        return name

    def touch(self, name: str) -> None:
        """Look at a message again when its turn comes: something may have changed."""
        self._due.setdefault(name)
        self._news.set()

    async def sent(self, name: str) -> None:
        """Return once a message shows how it is.

        Raises:
            Unavailable: it could not be sent now; it is tried again.
            Refused: Slack does not take it.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        self.touch(name)
        await future

    async def run(self) -> None:
        """Send what is due, for ever; first what an earlier process left unsent."""
        await self._take_over()
        pause = FIRST_PAUSE
        while True:
            await self._news.wait()
            self._news.clear()
            while self._due:
                name = next(iter(self._due))
                del self._due[name]
                waiting = self._waiting.pop(name, [])  # who asks from now on wants what is true later
                error = await self._deliver(name)
                _tell(waiting, error)
                if isinstance(error, Unavailable):
                    self._again(name, error.retry_after or pause)
                    if error.retry_after is None:
                        await self._sleep(pause)
                        pause = min(pause * 2, LONGEST_PAUSE)
                elif error is None:
                    pause = FIRST_PAUSE

    async def _deliver(self, name: str) -> FirebreakError | None:
        """Deliver one message, and return what went wrong; whatever it is, the others go on."""
        task = asyncio.create_task(self._delivery.deliver(name))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        error = task.exception()
        if error is None or isinstance(error, Unavailable):
            return error
        log.error("slack does not take a message", message=name, error=str(error), exc_info=error)
        return error if isinstance(error, FirebreakError) else Refused(f"{name} cannot be told: {error!r}")

    async def _take_over(self) -> None:
        while True:
            try:
                for name in await self._records.names():
                    record = await self._records.find(name)
                    if record and not record.over:
                        self.touch(name)
                    elif record is None or datetime.now(UTC) - record.created_at > KEPT:
                        await self._records.forget(name)
            except Unavailable as error:
                log.warning("messages to Slack wait", error=str(error))
                await self._sleep(FIRST_PAUSE)
            else:
                return

    def _again(self, name: str, seconds: float) -> None:
        async def later() -> None:
            await self._sleep(seconds)
            self.touch(name)

        task = asyncio.create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Leave what waits to the next process: it is all in the bucket."""
        for task in list(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)


def _tell(waiting: list[asyncio.Future[None]], error: FirebreakError | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
