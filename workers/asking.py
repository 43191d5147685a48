"""Questions between agents over NATS: one answer each, and an error that stays the error it was.

Who may ask whom is the server's configuration (`Identity.serves`, `Identity.asks`). Nothing here is stored: a
question whose answer does not come may have been answered or not, so an answer must be safe to ask for again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import nats.errors
import structlog

from activities.adapters.nats import translated
from signals import errors
from signals.errors import BadInput, FirebreakError, Unavailable
from signals.subjects import QUEUE
from workers.connection import Connection

ERROR = "Firebreak-Error"
"""Header of an answer that is an error: its class. The payload is its text."""
RETRY_AFTER = "Firebreak-Retry-After"
"""Header of an answer `Unavailable`: seconds."""
ANSWERING_SECONDS = 5.0
"""How long answers under way may take when the agent stops."""
ABSENT_SECONDS = 1.0
"""How long a question that reached nobody is put again: whoever answers may be just coming back."""

_RETRY_SECONDS = 0.1
_TEXT_BYTES = 4096
_CLASSES: dict[str, type[FirebreakError]] = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, FirebreakError)
}

Answering = Callable[[bytes], Awaitable[bytes]]
"""Given a question, returns its answer or raises a `FirebreakError`, which the asker gets."""
log = structlog.get_logger(__name__)


class Answers:
    """The questions that one agent is answering."""

    def __init__(self, connection: Connection) -> None:
        """Answer over this connection."""
        self._connection = connection
        self._under_way: set[asyncio.Task[None]] = set()
        self._served: list[Any] = []

    async def serve(self, subject: str, handler: Answering, concurrency: int) -> None:
        """Answer questions on this subject, at most `concurrency` at once; replicas share them."""
        slots = asyncio.Semaphore(concurrency)

        async def take(question: Any) -> None:
            await slots.acquire()
            task = asyncio.create_task(self._answer(question, handler))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(lambda _: slots.release())

        with translated(f"serving {subject}"):
            served = await self._connection.client.subscribe(subject, queue=QUEUE, cb=take)
            self._served.append(served)
            await self._connection.client.flush()

    async def _answer(self, question: Any, handler: Answering) -> None:
        headers: dict[str, str] = {}
        try:
            answer = await handler(question.data)
            if len(answer) > self._connection.client.max_payload:
                raise BadInput(f"the answer has {len(answer)} bytes, more than NATS carries; ask for less")
        except FirebreakError as error:
            answer, headers = _worded(error)
        except Exception as error:
            log.exception("a question could not be answered", subject=question.subject)
            answer, headers = _worded(Unavailable(f"answering failed: {type(error).__name__}"))
        with suppress(nats.errors.Error):  # an asker that hears nothing asks again
            await self._connection.client.publish(question.reply, answer, headers=headers or None)

    async def finish(self) -> None:
        """Take no more questions, and let the answers under way be given, for `ANSWERING_SECONDS` at most."""
        for served in self._served:
            with suppress(nats.errors.Error):
                await served.unsubscribe()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ANSWERING_SECONDS)
        for task in self._under_way:
            task.cancel()


def _worded(error: FirebreakError) -> tuple[bytes, dict[str, str]]:
    headers = {ERROR: type(error).__name__}
    if isinstance(error, Unavailable) and error.retry_after is not None:
        headers[RETRY_AFTER] = str(error.retry_after)
    return str(error).encode("utf-8", "replace")[:_TEXT_BYTES], headers


async def ask(connection: Connection, subject: str, payload: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
    """Ask one question and return the answer; see `Bus.ask`."""
    since = monotonic()
    while True:
        try:
            return await _asked(connection, subject, payload, max(timeout - (monotonic() - since), 0.0))
        except Unavailable as error:
            if not isinstance(error.__cause__, nats.errors.NoRespondersError):
                if denied := connection.denied(subject, since):
                    raise Unavailable(f"asking {subject}: {denied}") from error
                raise
            if monotonic() - since > min(timeout, ABSENT_SECONDS):
                raise Unavailable(f"asking {subject}: nobody answers there; does the agent run?") from error
            await asyncio.sleep(_RETRY_SECONDS)


async def _asked(connection: Connection, subject: str, payload: bytes, within: float) -> bytes:
    """Put the question once; raise what the answer says if it is an error."""
    with translated(f"asking {subject}"):
        answer = await connection.client.request(subject, payload, timeout=within)
    headers = answer.headers or {}
    if ERROR in headers:
        raise _error(headers, answer.data)
    return bytes(answer.data)


def _error(headers: dict[str, str], payload: bytes) -> FirebreakError:
    """Return the error that an answer says; one that we do not know is `Unavailable`."""
    text, name = payload.decode("utf-8", "replace"), headers[ERROR]
    kind = _CLASSES.get(name)
    if kind is None:
        return Unavailable(f"{name}: {text}")
    if not issubclass(kind, Unavailable):
        return kind(text)
    try:
        return kind(text, float(headers[RETRY_AFTER]))
    except (KeyError, ValueError):
        return kind(text)
