"""What a consumer gets: messages with their place in the stream, asked for in pulls, kept alive while in hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import nats.errors
import structlog

from activities.adapters.nats import ACK_WAIT_SECONDS, translated
from signals.errors import Unavailable

_GRACE_SECONDS = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One message of a stream. `accepted_at` is JetStream's time."""

    subject: str
    data: bytes = field(repr=False)
    headers: Mapping[str, str]
    sequence: int
    accepted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Message(Stored):
    """One message as a consumer gets it; `deliveries` is 1 the first time. Settle it: it comes again otherwise."""

    deliveries: int
    raw: Any = field(repr=False)

    @property
    def settled(self) -> bool:
        """Whether it was acknowledged, refused or terminated."""
        return bool(self.raw.is_acked)

    async def ack(self) -> None:
        """Say that it is done."""
        await self.raw.ack()

    async def nak(self, delay: float = 0.0) -> None:
        """Ask for it again after `delay` seconds."""
        await self.raw.nak(delay=delay or None)

    async def in_progress(self) -> None:
        """Say that it is being worked on."""
        await self.raw.in_progress()

    async def term(self) -> None:
        """Say that it must never come again; bury it first."""
        await self.raw.term()


@dataclass(frozen=True)
class Accepted:
    """JetStream's answer to an append. A duplicate was stored before, under this sequence."""

    sequence: int
    duplicate: bool


class Pull:
    """Pull requests over one inbox: `open`, then `ask` and `answers` in turn, then `close`."""

    def __init__(self, client: Any, subject: str, batch: int, wait_seconds: float) -> None:
        self._client, self._subject, self._batch, self._wait = client, subject, batch, wait_seconds
        self._inbox = client.new_inbox()
        self._replies: Any = None
        self._deadline = 0.0

    async def open(self) -> None:
        """Subscribe the inbox."""
        with translated(f"asking {self._subject}"):
            self._replies = await self._client.subscribe(self._inbox)

    async def ask(self) -> None:
        """Send one request, unless the connection is just coming back: then only wait."""
        self._deadline = monotonic() + self._wait
        if self._client.is_reconnecting:
            return
        request = {"batch": self._batch, "expires": int(self._wait * 1e9)}
        with translated(f"asking {self._subject}"):
            await self._client.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)
        self._deadline += _GRACE_SECONDS

    async def answers(self) -> AsyncIterator[list[Message]]:
        """Yield what this request brings, until it is used up or over."""
        left = self._batch
        while left > 0:
            messages, over = await self._gather(left)
            left -= len(messages)
            if messages or left == self._batch:
                yield messages
            if over:
                return

    async def _gather(self, most: int) -> tuple[list[Message], bool]:
        """Wait for one message, then take what else is there; also tell whether the request is over."""
        messages: list[Message] = []
        while not messages or (self._replies.pending_msgs and len(messages) < most):
            remaining = max(self._deadline - monotonic(), 0.01)
            try:
                raw = await self._replies.next_msg(timeout=remaining)
            except TimeoutError:
                return messages, True
            except nats.errors.Error as error:
                raise Unavailable(f"asking {self._subject}: {error}") from error
            status = (raw.headers or {}).get("Status") if not raw.data else None
            if status:
                await self._note(status, raw.headers.get("Description", ""))
                return messages, True
            messages.append(_message(raw))
        return messages, False

    async def _note(self, status: str, description: str) -> None:
        if status not in ("404", "408"):
            log.warning("nats ended a pull", subject=self._subject, status=status, description=description)
            await asyncio.sleep(self._wait)

    async def close(self) -> None:
        """Give the inbox back."""
        with suppress(nats.errors.Error):
            await self._replies.unsubscribe()


def _message(raw: Any) -> Message:
    metadata = raw.metadata
    return Message(
        subject=raw.subject,
        data=raw.data,
        headers=raw.headers or {},
        sequence=metadata.sequence.stream,
        accepted_at=metadata.timestamp,
        deliveries=metadata.num_delivered,
        raw=raw,
    )


@asynccontextmanager
async def kept_alive(messages: list[Message]) -> AsyncIterator[None]:
    """Tell the server that these are being worked on, until the block ends."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(ACK_WAIT_SECONDS / 3)
            for message in messages:
                if not message.settled:
                    with suppress(nats.errors.Error):
                        await message.in_progress()

    if not messages:
        yield
        return
    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def plain_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers without those that tell the server what to do."""
    return {name: value for name, value in (headers or {}).items() if not name.lower().startswith("nats-")}
