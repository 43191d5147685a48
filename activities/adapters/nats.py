"""NATS: who we are to it, what its errors mean to us, and a durable bucket that takes any text as key."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nats.errors
from nats.js import api
from nats.js.errors import (
    APIError,
    InvalidKeyError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NoStreamResponseError,
    ServiceUnavailableError,
)
from nats.js.kv import KV_DEL, KV_OP, KeyValue

from activities.ports import Entry
from signals.errors import BadInput, Conflict, Unavailable

ACK_WAIT_SECONDS = 4.0
"""How long a message may stay unacknowledged without a sign of life before another process gets it."""
MARKER_SECONDS = 3600.0
"""How long a deleted key's marker stays, so that a late compare-and-set still meets it."""
PAGE = 256
"""Messages per request when all keys are listed."""

_UNSAFE = re.compile(rb"[^-/_A-Za-z0-9]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")
_END_OF_BATCH = "204"
_NOT_FOUND = "404"


def encode_key(key: str) -> str:
    """Return a key as JetStream accepts it: every other byte is `=` and two hex digits."""
    raw = key.encode("utf-8", "surrogatepass")
    return _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], raw).decode("ascii")


def decode_key(encoded: str) -> str:
    """Return the key that `encode_key` was given."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), encoded.encode("ascii"))
    return raw.decode("utf-8", "surrogatepass")


class ClientTls:
    """Our side of mutual TLS: `ca.crt`, `<name>.crt` and `<name>.key` of a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read the files.

        Raises:
            OSError: one is missing, or holds no key or certificate.
        """
        self._files = folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt"
        self._read = self._bytes()
        self.context = self._context()

    def renew(self) -> bool:
        """Make a new context if the files were changed, and say so. Files that do not fit change nothing yet."""
        try:
            read = self._bytes()
            if read == self._read:
                return False
            self.context = self._context()
        except OSError:
            return False
        self._read = read
        return True

    def _bytes(self) -> tuple[bytes, ...]:
        return tuple(file.read_bytes() for file in self._files)

    def _context(self) -> ssl.SSLContext:
        certificate, key, authority = self._files
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        return context


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the library's errors into ours; `what` was being done.

    Raises:
        Unavailable: no answer, no connection, or the store is full.
        Conflict: somebody else wrote first.
        BadInput: the message or the key cannot be stored.
    """
    try:
        yield
    except KeyWrongLastSequenceError as error:
        raise Conflict(f"{what}: somebody else wrote first") from error
    except (nats.errors.MaxPayloadError, InvalidKeyError, nats.errors.BadSubjectError) as error:
        raise BadInput(f"{what}: {error}") from error
    except APIError as error:
        raise Unavailable(f"{what}: NATS refused: {error.description or error}") from error
    except NoStreamResponseError as error:
        raise Unavailable(f"{what}: no stream takes it; is NATS provisioned?") from error
    except TimeoutError as error:
        raise Unavailable(f"{what}: NATS did not answer in time") from error
    except (nats.errors.Error, OSError) as error:
        raise Unavailable(f"{what}: {error}") from error


_PASSING = (
    TimeoutError,
    NoStreamResponseError,
    ServiceUnavailableError,
    nats.errors.OutboundBufferLimitError,
)
"""What a restarting server answers, or leaves unanswered."""
_FULL = 10077
"""The server's code for a stream that has reached its limit: it says 503 then too, and waiting helps nobody."""


def passing(error: BaseException | None) -> bool:
    """Return whether the request that ended with this may succeed in a moment."""
    return isinstance(error, _PASSING) and getattr(error, "err_code", None) != _FULL


class NatsBucket:
    """One bucket, as `activities.ports.KeyValue`. `context` is a JetStream context of nats-py."""

    def __init__(self, context: Any, client: Any, bucket: str) -> None:
        """Hold the bucket; nothing is asked of the server yet."""
        self._client = client
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._context = context
        self._bucket = KeyValue(name=bucket, stream=self._stream, pre=self._prefix, js=context, direct=True)

    async def get(self, key: str) -> Entry | None:
        """Return the value, or None where there is none."""
        with translated(f"reading {key!r}"):
            try:
                found = await self._bucket.get(encode_key(key))
            except KeyNotFoundError:
                return None
        return Entry(value=found.value or b"", revision=found.revision)

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key; `Conflict` if it exists."""
        with translated(f"creating {key!r}"):
            return int(await self._bucket.create(encode_key(key), value))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write over one known revision; `Conflict` if it is not the last."""
        with translated(f"updating {key!r}"):
            return int(await self._bucket.update(encode_key(key), value, last=revision))

    async def delete(self, key: str) -> None:
        """Delete a key; it is no error if there is none."""
        with translated(f"deleting {key!r}"):
            headers = {KV_OP: KV_DEL}
            subject = self._prefix + encode_key(key)
            await self._context.publish(subject, headers=headers, msg_ttl=MARKER_SECONDS)

    async def keys(self) -> list[str]:
        """Return all keys."""
        return [
            decode_key(headers["Nats-Subject"].removeprefix(self._prefix))
            async for headers in self._all()
            if KV_OP not in headers
        ]

    async def _all(self) -> AsyncIterator[dict[str, str]]:
        """Yield the headers of every stored message, page by page."""
        following = 1
        while True:
            page = await self._page(following)
            for headers in page:
                yield headers
            if len(page) < PAGE:
                return
            following = int(page[-1]["Nats-Sequence"]) + 1

    async def _page(self, first: int) -> list[dict[str, str]]:
        request = f'{{"seq":{first},"next_by_subj":"{self._prefix}>","batch":{PAGE}}}'
        inbox = self._client.new_inbox()
        page: list[dict[str, str]] = []
        with translated(f"listing {self._stream}"):
            replies = await self._client.subscribe(inbox)
            try:
                subject = f"{api.DEFAULT_PREFIX}.DIRECT.GET.{self._stream}"
                await self._client.publish(subject, request.encode(), reply=inbox)
                while True:
                    reply = await replies.next_msg(timeout=5)
                    headers = cast("dict[str, str]", reply.headers or {})
                    if headers.get("Status") in (_END_OF_BATCH, _NOT_FOUND):
                        return page
                    page.append(headers)
            finally:
                await replies.unsubscribe()
