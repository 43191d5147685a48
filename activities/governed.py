"""A channel that is told what the policy says, each page once over restarts; what it refuses is a dead letter.

What is delivered is on record before it is forgotten. A process that dies between the two sends once more: then the
channel itself must know the page, by its `dedup_key` or its incident.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import BaseModel, ValidationError

from activities.notifier import Channel
from activities.ports import KeyValue
from signals.channels import ChannelOptions
from signals.errors import Conflict, FirebreakError, Refused, Unavailable
from signals.pages import Page, PageKind

SUMMARISED = 50
"""Pages that the summary after quiet hours names; of more it says how many."""

Bury = Callable[[str, Page, str], Awaitable[object]]
"""Keeps a page that a channel refused, with the reason."""


_log = logging.getLogger(__name__)


class Kept(BaseModel, frozen=True):
    """What became of one page on one channel."""

    at: datetime
    refused: str = ""


class GovernedChannel:
    """One channel, with its options and what it remembers."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        options: ChannelOptions,
        memory: KeyValue,
        bury: Bury,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Send to this channel what these options let through."""
        self._name = name
        self._channel = channel
        self._options = options
        self._memory = memory
        self._bury = bury
        self._now = now

    async def send(self, page: Page) -> None:
        """Tell people, unless the options say otherwise, or they were told.

        Raises:
            Unavailable: nobody was told, and the same call may work later.
            Refused: nobody was told; the page is among the dead letters.
        """
        key = f"told/{_digest(page.dedup_key)}"
        entry = await self._memory.get(key)
        if entry is not None:
            kept = Kept.model_validate_json(entry.value)
            if kept.refused:
                raise Refused(kept.refused)
            return
        known = bool(page.incident) and await self._memory.get(f"known/{page.incident}") is not None
        if not known and not self._options.wants(page):
            return
        if not known and self._options.silent(page, self._now()):
            await self._put(f"held/{_digest(page.dedup_key)}", page)
            return
        refused = await self.deliver(page)
        await self._put(key, Kept(at=self._now(), refused=refused))
        if refused:
            raise Refused(refused)

    async def deliver(self, page: Page) -> str:
        """Send a page whatever the options say; return why the channel refuses it for good, or nothing.

        Raises:
            Unavailable: the channel does not answer.
        """
        try:
            await self._channel.send(page)
        except Unavailable:
            raise
        except FirebreakError as error:
            await self._bury(self._name, page, str(error))
            return str(error)
        if page.incident:
            await self._put(f"known/{page.incident}", Kept(at=self._now()))
        return ""

    async def attempt(self, page: Page) -> None:
        """Send a page whatever the options say, and keep nothing of it. Raises what the channel raises."""
        await self._channel.send(page)

    async def wake(self) -> None:
        """Send what was held back as one summary, if the quiet hours are over.

        Raises:
            Unavailable: the channel does not answer, or what was held back cannot be read.
        """
        now = self._now()
        if not self._options.quiet or self._options.sleeps(now):
            return
        keys = sorted(key for key in await self._memory.keys() if key.startswith("held/"))
        held = [(key, page) for key in keys if (page := await self._held(key))]
        due = [(key, page) for key, page in held if not self._options.silent(page, now)]
        if not due:
            return
        await self.deliver(_summary([page for _, page in due], now))
        for key, page in due:
            await self._put(f"told/{_digest(page.dedup_key)}", Kept(at=now))
            await self._memory.delete(key)

    async def _held(self, key: str) -> Page | None:
        """Return a page that was held back; one that another version wrote and nobody can read is given up."""
        entry = await self._memory.get(key)
        try:
            return Page.model_validate_json(entry.value) if entry else None
        except ValidationError as error:
            _log.error("channel %s: a page that was held back cannot be read: %s", self._name, error)
            await self._memory.delete(key)
            return None

    async def _put(self, key: str, value: BaseModel) -> None:
        with suppress(Conflict):
            await self._memory.create(key, value.model_dump_json().encode())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _summary(pages: list[Page], now: datetime) -> Page:
    """Return one page about all that was held back."""
    lines = [f"{page.at:%H:%M} {page.severity} {page.incident}: {page.title}" for page in pages[:SUMMARISED]]
    more = f"; and {len(pages) - SUMMARISED} more" if len(pages) > SUMMARISED else ""
    names = ",".join(sorted(page.dedup_key for page in pages))
    return Page(
        incident="",
        cluster=pages[0].cluster,
        kind=PageKind.INFORMATIONAL,
        severity=max((page.severity for page in pages), key=lambda one: one.rank),
        title=f"Held back in quiet hours: {len(pages)}",
        text="; ".join(lines) + more,
        dedup_key=f"held/{_digest(names)}",
        at=now,
    )
