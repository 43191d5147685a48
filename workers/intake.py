"""The one way in for records of a feed, however they arrive: read, redact, store, and only then say yes."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from activities import metrics
from activities.tracing import CARRIER, inject, span
from signals.errors import Undecodable
from signals.redaction import redact
from signals.subjects import SPAN_ALERT
from workers.bus import Bus
from workers.feed import Feed, Record, Source

AT_ONCE = 200
"""Records that are worked on before others get their turn on the loop."""
DEAD_LIMIT = 64 * 1024
"""Bytes kept of what could not be read; its hash is of all of it."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Rejected:
    """One item of a request that cannot be read: its place, and why."""

    index: int
    reason: str


@dataclass(frozen=True)
class Accepted:
    """What became of a request: how many records were taken, and what was buried instead."""

    alerts: int
    rejected: tuple[Rejected, ...] = ()


class Intake(Generic[T]):
    """Stores the records of one feed, and what is none among the dead letters."""

    def __init__(self, bus: Bus, source: Source[T]) -> None:
        """Store what is of this source through this connection."""
        self._bus = bus
        self.source = source
        self._feed = Feed(bus, source)

    async def accept(self, body: bytes, sender: str, headers: Mapping[str, str]) -> Accepted:
        """Take one body; when this returns, every part of it is durable. `headers` may carry a trace.

        Raises:
            Unavailable: nothing of it, or not all of it, is stored. Sending it again doubles nothing.
        """
        carrier = {name: headers[name] for name in CARRIER if name in headers}
        with span(SPAN_ALERT, carrier, feed=self.source.name, sender=sender):
            return await self._accept(body, sender, inject() or carrier)

    async def _accept(self, body: bytes, sender: str, trace: dict[str, str]) -> Accepted:
        try:
            items = self.source.split(body)
        except Undecodable as error:
            await self._bury(body, str(error), sender)
            return Accepted(0, (Rejected(0, str(error)),))
        return await self.take(items, sender, trace)

    async def take(self, items: Sequence[bytes], sender: str, trace: dict[str, str]) -> Accepted:
        """Take items that are apart already; when this returns, every one of them is durable, or not worth it.

        Raises:
            Unavailable: as `accept`.
        """
        taken: list[T] = []
        ignored = 0
        rejected: list[tuple[Rejected, bytes]] = []
        for index, item in enumerate(items):
            if index and index % AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                found = self.source.read(item)
            except Undecodable as error:
                rejected.append((Rejected(index, str(error)), item))
                continue
            if found is None:
                ignored += 1
            else:
                taken.append(found)
        records = [Record(alert=one, sender=sender, trace=trace) for one in taken]
        if records:
            await self._feed.append(records)
        metrics.alert(self.source.name, times=len(taken))
        metrics.alert(self.source.name, "harmless", times=ignored)
        for reason, item in rejected:
            await self._bury(item, reason.reason, sender)
        return Accepted(len(taken) + ignored, tuple(reason for reason, _ in rejected))

    async def _bury(self, item: bytes, reason: str, sender: str) -> None:
        """Keep what could not be read, without its secrets as far as they can be told in such a text."""
        metrics.alert(self.source.name, "undecodable")
        log.warning("something was buried", what=self.source.what, sender=sender, reason=reason)
        text = redact(_cut(item).decode("utf-8", "replace"))
        headers = {"Firebreak-Sha256": hashlib.sha256(item).hexdigest(), "Firebreak-Sender": sender}
        await self._bus.bury(self.source.name, text.encode(), reason, headers)


def _cut(item: bytes) -> bytes:
    """Return the beginning of something too long, without its last word: half a secret looks like none."""
    if len(item) <= DEAD_LIMIT:
        return item
    kept = item[:DEAD_LIMIT]
    return kept[: max(kept.rfind(mark) for mark in (b" ", b'"', b",")) + 1]
