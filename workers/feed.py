"""The guardian's feed stream: the redacted alerts of one or more requests in one message, with who sent them.

What arrives while an append is under way is appended together: one flush to disk for all of it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from deploy.nats import MAX_PAYLOAD
from signals.errors import FirebreakError, Unavailable, Undecodable
from signals.subjects import RUNTIME_GUARDIAN, feed_subject
from signals.telemetry.falco import Alert
from workers.bus import Bus

FALCO = "falco"
"""The feed of Falco and falcosidekick."""
MESSAGE_LIMIT = MAX_PAYLOAD - 64 * 1024
"""Bytes of one message, with room for its headers."""
TOGETHER = 1000
"""Requests that one message may hold."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert. `sender` is whose token it was, or the subject that it came on; `trace` is of its request."""

    alert: Alert
    sender: str
    trace: dict[str, str] = {}


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[Record, ...])


def encode(records: Sequence[Record]) -> bytes:
    """Return the bytes of one message."""
    return _ENCODER.encode(records)


def decode(payload: bytes) -> tuple[Record, ...]:
    """Return the records of one message.

    Raises:
        Undecodable: it holds none.
    """
    try:
        return _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise Undecodable(f"not a message of the feed: {error}") from error


@dataclass
class _Request:
    """The records of one request, waiting to be stored."""

    records: Sequence[Record]
    done: bool = False
    error: FirebreakError | None = field(default_factory=lambda: Unavailable("the append was interrupted"))


class Feed:
    """The stream, as its writer sees it."""

    def __init__(self, bus: Bus) -> None:
        """Append through this connection."""
        self._bus = bus
        self._subject = feed_subject(RUNTIME_GUARDIAN, FALCO)
        self._turn = asyncio.Lock()
        self._waiting: list[_Request] = []

    async def append(self, records: Sequence[Record]) -> None:
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


def _messages(records: Sequence[Record]) -> Iterator[bytes]:
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
