"""NATS, as one agent: append what must last, consume what was said, and never lose either in silence.

Everything durable is appended with an acknowledgement from disk. A consumed message that is being worked on is
kept alive; one whose process dies goes to another process within `ACK_WAIT_SECONDS`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from time import monotonic
from typing import Any, Self
from uuid import uuid4

from nats.js.errors import NotFoundError

from activities.adapters.nats import NatsBucket, passing, translated
from activities.adapters.nats_objects import NatsObjects
from activities.ports import KeyValue
from signals.errors import Unavailable
from signals.subjects import dead_subject, threats_api
from workers.asking import Answering, Answers, ask
from workers.connection import Connection
from workers.delivery import Accepted, Message, Pull, Stored, kept_alive, plain_headers
from workers.settings import Settings

REASON = "Firebreak-Reason"
"""Header of a dead letter: why it could not be handled."""
CAME_ON = "Firebreak-Came-On"
"""Header of a dead letter: the subject of the stream from which it came."""
REPLAY_OF = "Firebreak-Replay-Of"
"""Header of a message that the operator put back: the dead letter that it was."""
APPEND_SECONDS = 8.0
"""How long an append is tried again while NATS does not answer."""
ANSWER_SECONDS = 2.0
"""How long one request waits for its answer."""

_PULLS_PER_INBOX = 256
"""The server remembers every pull of a foreign stream until its inbox goes; so the inbox goes now and then."""
_REASON_LENGTH = 500
_RETRY_SECONDS = 0.1
Callback = Callable[[str, bytes, Mapping[str, str]], Awaitable[None]]
"""Called with subject, payload and headers."""


class Bus:
    """One agent's connection. Methods raise `Unavailable` when NATS does not answer."""

    def __init__(self, connection: Connection) -> None:
        """Speak over this connection; `connect` makes one."""
        self.agent = connection.agent
        self._connection = connection
        self._client: Any = connection.client
        self._js: Any = self._client.jetstream(timeout=ANSWER_SECONDS)
        self._answers = Answers(connection)

    @classmethod
    async def connect(cls, settings: Settings, agent: str) -> Self:
        """Connect as one agent; raises as `Connection.open`."""
        return cls(await Connection.open(settings, agent))

    async def append(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store one message durably and return its sequence; see `store`."""
        return (await self.store(subject, payload, msg_id=msg_id, headers=headers)).sequence

    async def store(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Accepted:
        """Store one message durably; the same `msg_id` twice within ten minutes is stored once.

        Tried again for `APPEND_SECONDS` while NATS restarts, so an answer that was lost looks like a duplicate.

        Raises:
            Unavailable: it may or may not be stored. The text says so if a permission was missing.
            BadInput: it is too large.
        """
        given = {**(headers or {}), "Nats-Msg-Id": msg_id or uuid4().hex}
        started = monotonic()
        while True:
            try:
                with translated(f"appending to {subject}"):
                    answer = await self._js.publish(subject, payload, headers=given)
                return Accepted(sequence=int(answer.seq), duplicate=bool(answer.duplicate))
            except Unavailable as error:
                denied = self._connection.denied(subject, started)
                if denied:
                    raise Unavailable(f"appending to {subject}: {denied}") from error
                if monotonic() - started > APPEND_SECONDS or not passing(error.__cause__):
                    raise
                await asyncio.sleep(_RETRY_SECONDS)

    async def bury(
        self,
        source: str,
        payload: bytes,
        reason: str,
        headers: Mapping[str, str] | None = None,
        *,
        came_on: str = "",
    ) -> int:
        """Store what cannot be handled as a dead letter, with the reason in a header.

        `came_on` is the subject of the stream from which it came, so that it can be put back there. Headers that
        tell the server what to do are left out: they are the first sender's, not ours.
        """
        kept = plain_headers(headers)
        if came_on:
            kept[CAME_ON] = came_on
        text = " ".join(reason.split())[:_REASON_LENGTH].encode("ascii", "backslashreplace").decode()
        return await self.append(dead_subject(self.agent, source), payload, headers={**kept, REASON: text})

    def kv(self, bucket: str) -> KeyValue:
        """Return one of our own buckets."""
        return NatsBucket(self._js, self._client, bucket)

    def objects(self, bucket: str) -> NatsObjects:
        """Return one of our own object stores."""
        return NatsObjects(self._js, bucket)

    async def subscribe(self, subject: str, queue: str, callback: Callback) -> None:
        """Call back for every message that is published and not stored; replicas share a queue group."""

        async def deliver(raw: Any) -> None:
            await callback(raw.subject, raw.data, raw.headers or {})

        with translated(f"subscribing to {subject}"):
            await self._client.subscribe(subject, queue=queue, cb=deliver)

    async def serve(self, subject: str, handler: Answering, *, concurrency: int = 16) -> None:
        """Answer questions on one of the subjects that we serve, at most `concurrency` at once.

        Replicas share the questions. A `FirebreakError` that the handler raises is raised at the asker, of the
        same class; anything else is logged here and `Unavailable` there.
        """
        await self._answers.serve(subject, handler, concurrency)

    async def ask(self, subject: str, payload: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        """Ask another agent and return its answer, within `timeout` seconds.

        Raises:
            Unavailable: nobody serves it, no answer came in time, or we may not ask. It may have been answered.
            FirebreakError: what the other agent raised, of the same class.
        """
        return await ask(self._connection, subject, payload, timeout)

    async def consume(
        self,
        stream: str,
        durable: str,
        *,
        owner: str | None = None,
        batch: int = 100,
        wait_seconds: float = 1.0,
    ) -> AsyncGenerator[list[Message], None]:
        """Yield messages as they come, at most `batch` at once, and an empty list after `wait_seconds` of none.

        `owner` is the agent whose stream it is, if it is not ours. What the caller has not settled when it
        asks for more comes again after `ACK_WAIT_SECONDS`. Goes on when NATS restarts.

        Raises:
            Unavailable: the connection is closed for good.
        """
        prefix = threats_api(owner) if owner else "$JS.API"
        subject = f"{prefix}.CONSUMER.MSG.NEXT.{stream}.{durable}"
        while True:
            pull = Pull(self._client, subject, batch, wait_seconds)
            await pull.open()
            try:
                for _ in range(_PULLS_PER_INBOX):
                    await pull.ask()
                    async for messages in pull.answers():
                        async with kept_alive(messages):
                            yield messages
            finally:
                await pull.close()

    async def last(self, stream: str) -> Stored | None:
        """Return the last message of one of our own streams, or None where there is none."""
        async for stored in self.newest(stream):
            return stored
        return None

    async def newest(self, stream: str, owner: str | None = None) -> AsyncGenerator[Stored, None]:
        """Yield the messages of a stream, the newest first; `owner` is the agent whose it is, if it is not ours."""
        sequence: int | None = None
        while sequence is None or sequence > 0:
            stored = await self._message(stream, owner, seq=sequence, subject=None if sequence else ">")
            if stored is None:
                return
            yield stored
            sequence = stored.sequence - 1

    async def oldest(
        self, stream: str, owner: str | None = None, after: int = 0
    ) -> AsyncGenerator[Stored, None]:
        """Yield the messages of a stream as they came, `after` a sequence; `owner` as for `newest`."""
        sequence = after
        while stored := await self._message(stream, owner, seq=sequence + 1, subject=">", next=True):
            yield stored
            sequence = stored.sequence

    async def read(self, stream: str, sequence: int, owner: str | None = None) -> Stored | None:
        """Return one message of a stream, or None where there is none (any more)."""
        return await self._message(stream, owner, seq=sequence)

    async def _message(self, stream: str, owner: str | None, **which: Any) -> Stored | None:
        js = self._client.jetstream(prefix=threats_api(owner), timeout=ANSWER_SECONDS) if owner else self._js
        with translated(f"reading {stream}"):
            try:
                raw = await js.get_msg(stream, **which)
            except NotFoundError:
                return None
        return Stored(
            subject=raw.subject,
            data=raw.data or b"",
            headers=raw.headers or {},
            sequence=int(raw.seq),
            accepted_at=raw.time,
        )

    async def lost(self) -> None:
        """Return when the connection is over for good; see `Connection.lost`."""
        await self._connection.lost()

    async def close(self) -> None:
        """Give the answers under way, send what is still to be sent, and disconnect."""
        await self._answers.finish()
        await self._connection.close()
