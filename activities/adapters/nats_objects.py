"""An object store of NATS, written without the right to purge: what is old goes when the store is full.

The wire format is that of every NATS client, so that anybody with the right can take an object out with theirs.
"""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from nats.js.errors import NotFoundError

from activities.adapters.nats import translated
from signals.errors import BadInput

CHUNK = 128 << 10


class NatsObjects:
    """One object store. `context` is a JetStream context of nats-py."""

    def __init__(self, context: Any, bucket: str) -> None:
        """Hold the store; nothing is asked of the server yet."""
        self._context = context
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"

    async def put(self, name: str, data: bytes) -> str:
        """Store an object under a name, in the place of an older one; return its SHA-256 in hexadecimal.

        Raises:
            Unavailable: it is not stored; an older one still is.
        """
        key, chunks = uuid4().hex, range(0, len(data), CHUNK)
        with translated(f"storing {name}"):
            for first in chunks:
                await self._context.publish(
                    f"$O.{self._bucket}.C.{key}", data[first : first + CHUNK], timeout=30
                )
            digest = sha256(data).digest()
            told = {
                "name": name,
                "bucket": self._bucket,
                "nuid": key,
                "size": len(data),
                "chunks": len(chunks),
                "digest": f"SHA-256={base64.urlsafe_b64encode(digest).decode()}",
                "mtime": datetime.now(UTC).isoformat(),
                "options": {"max_chunk_size": CHUNK},
            }
            await self._context.publish(self._meta(name), json.dumps(told).encode(), timeout=30)
        return digest.hex()

    async def get(self, name: str) -> bytes | None:
        """Return an object, None where there is none.

        Raises:
            Unavailable: the server does not answer.
            BadInput: what is stored is not whole any more.
        """
        with translated(f"reading {name}"):
            try:
                raw = await self._context.get_msg(self._stream, subject=self._meta(name))
            except NotFoundError:
                return None
            told = json.loads(raw.data)
            data = b"".join([chunk async for chunk in self._chunks(told["nuid"], told["chunks"])])
        digest = f"SHA-256={base64.urlsafe_b64encode(sha256(data).digest()).decode()}"
        if digest != told["digest"]:
            raise BadInput(f"{name} in the object store is damaged, or was partly dropped")
        return data

    async def _chunks(self, key: str, count: int) -> AsyncIterator[bytes]:
        sequence = 0
        for _ in range(count):
            try:
                raw = await self._context.get_msg(
                    self._stream, seq=sequence + 1, subject=f"$O.{self._bucket}.C.{key}", next=True
                )
            except NotFoundError:
                return
            sequence = int(raw.seq)
            yield raw.data or b""

    def _meta(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
