"""The one way in for alerts, however they arrive: read, take the secrets out, store, and only then say yes."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from activities import metrics
from activities.tracing import CARRIER, inject, span
from signals.errors import Undecodable
from signals.redaction import redact
from signals.subjects import SPAN_ALERT
from signals.telemetry.bodies import split
from signals.telemetry.falco import Alert, read, redacted
from workers.bus import Bus
from workers.feed import FALCO, Feed, Record

AT_ONCE = 200
"""Alerts that are worked on before others get their turn on the loop."""
DEAD_LIMIT = 64 * 1024
"""Bytes kept of what could not be read; its hash is of all of it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rejected:
    """One item of a request that is no alert: its place, and why."""

    index: int
    reason: str


@dataclass(frozen=True)
class Accepted:
    """What became of a request: how many alerts are stored, and what was buried instead."""

    alerts: int
    rejected: tuple[Rejected, ...] = ()


class Intake:
    """Stores alerts in the feed, and what is none among the dead letters."""

    def __init__(self, bus: Bus) -> None:
        """Store through this connection."""
        self._bus = bus
        self._feed = Feed(bus)

    async def accept(self, body: bytes, sender: str, headers: Mapping[str, str]) -> Accepted:
        """Take one body; when this returns, every part of it is durable. `headers` may carry a trace.

        Raises:
            Unavailable: nothing of it, or not all of it, is stored. Sending it again doubles nothing.
        """
        carrier = {name: headers[name] for name in CARRIER if name in headers}
        with span(SPAN_ALERT, carrier, feed=FALCO, sender=sender):
            return await self._accept(body, sender, inject() or carrier)

    async def _accept(self, body: bytes, sender: str, trace: dict[str, str]) -> Accepted:
        try:
            items = split(body)
        except Undecodable as error:
            await self._bury(body, str(error), sender)
            return Accepted(0, (Rejected(0, str(error)),))
        alerts: list[Alert] = []
        rejected: list[tuple[Rejected, bytes]] = []
        for index, item in enumerate(items):
            if index and index % AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                alerts.append(redacted(read(item)))
            except Undecodable as error:
                rejected.append((Rejected(index, str(error)), item))
        records = [Record(alert=alert, sender=sender, trace=trace) for alert in alerts]
        if records:
            await self._feed.append(records)
        for _ in alerts:
            metrics.alert(FALCO)
        for reason, item in rejected:
            await self._bury(item, reason.reason, sender)
        return Accepted(len(alerts), tuple(reason for reason, _ in rejected))

    async def _bury(self, item: bytes, reason: str, sender: str) -> None:
        """Keep what could not be read, without its secrets as far as they can be told in such a text."""
        metrics.alert(FALCO, "undecodable")
        log.warning("an alert was buried", sender=sender, reason=reason)
        text = redact(_cut(item).decode("utf-8", "replace"))
        headers = {"Firebreak-Sha256": hashlib.sha256(item).hexdigest(), "Firebreak-Sender": sender}
        await self._bus.bury(FALCO, text.encode(), reason, headers)


def _cut(item: bytes) -> bytes:
    """Return the beginning of something too long, without its last word: half a secret looks like none."""
    if len(item) <= DEAD_LIMIT:
        return item
    kept = item[:DEAD_LIMIT]
    return kept[: max(kept.rfind(mark) for mark in (b" ", b'"', b",")) + 1]
