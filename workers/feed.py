"""An agent's feed stream: the redacted records of one or more requests in one message, with who sent them.

What arrives while an append is under way is appended together: one flush to disk for all of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from deploy.nats import MAX_PAYLOAD
from signals.errors import FirebreakError, Unavailable, Undecodable
from signals.subjects import feed_subject
from workers.bus import Bus

MESSAGE_LIMIT = MAX_PAYLOAD - 64 * 1024
"""Bytes of one message, with room for its headers."""
TOGETHER = 1000
"""Requests that one message may hold."""

T = TypeVar("T")


class Record(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """One record of a feed. `sender` is whose token it was, or where it came from; `trace` is of its request."""

    alert: T
    sender: str
    trace: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Source(Generic[T]):
    """One raw feed of one agent, and how it is read.

    `split` takes one body apart. `read` returns one item, normalised and redacted, or None where nothing would ever
    come of it, so that it need not be kept; both raise `Undecodable`.
    """

    agent: str
    name: str
    what: str
    """What one record is called, for people."""
    split: Callable[[bytes], Sequence[bytes]]
    read: Callable[[bytes], T | None]
    decoder: "msgspec.json.Decoder[tuple[Record[T], ...]]"

    def decode(self, payload: bytes) -> tuple[Record[T], ...]:
        """Return the records of one message.

        Raises:
            Undecodable: it holds none.
        """
        try:
            return self.decoder.decode(payload)
        except msgspec.DecodeError as error:
            raise Undecodable(f"not a message of the feed: {error}") from error


_ENCODER = msgspec.json.Encoder()


def encode(records: Sequence[Record[Any]]) -> bytes:
    """Return the bytes of one message."""
    return _ENCODER.encode(records)


@dataclass
class _Request:
    """The records of one request, waiting to be stored."""

    records: Sequence[Record[Any]]
    done: bool = False
    error: FirebreakError | None = field(default_factory=lambda: Unavailable("the append was interrupted"))


class Feed:
    """The stream, as its writer sees it."""

    def __init__(self, bus: Bus, source: Source[Any]) -> None:
        """Append through this connection."""
        self._bus = bus
        self._subject = feed_subject(source.agent, source.name)
        self._turn = asyncio.Lock()
        self._waiting: list[_Request] = []

    async def append(self, records: Sequence[Record[Any]]) -> None:
        """Return when all of these are durable.

        Raises:
            Unavailable: they may or may not be. Sending them again doubles nothing.
            BadInput: one of them is too large for the stream.
        """
        mine = _Request(records)
        self._waiting.append(mine)
        async with self._turn:
            while not mine.done:
                await self._append(self._waiting[:TOGETHER])
        if mine.error is not None:
            raise mine.error

    async def _append(self, requests: list[_Request]) -> None:
        """Append what waits, whoever brought it, and tell everybody what came of it."""
        del self._waiting[: len(requests)]
        records = [record for request in requests for record in request.records]
        try:
            for payload in _messages(records):
                await self._bus.append(self._subject, payload)
            for request in requests:
                request.error = None
        except FirebreakError as error:
            for request in requests:
                request.error = error
        finally:
            for request in requests:
                request.done = True


def _messages(records: Sequence[Record[Any]]) -> Iterator[bytes]:
    """Yield one message for all records; several only where one would be too large for the stream."""
    if not records:
        return
    payload = encode(records)
    if len(payload) <= MESSAGE_LIMIT or len(records) == 1:
        yield payload
        return
    middle = len(records) // 2
    yield from _messages(records[:middle])
    yield from _messages(records[middle:])
