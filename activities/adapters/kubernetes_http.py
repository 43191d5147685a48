"""Requests to one API server, and its answers in our own words: JSON, or one of our errors."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient

from activities.adapters.kubernetes_answers import status, translated
from activities.ports import Change, Manifest
from signals.errors import Unavailable
from signals.plans import ObjectRef

PATIENCE_SECONDS = 15.0
"""How long a read goes on trying while a server restarts."""
CALL_SECONDS = 10.0
JSON = "application/json"
STARTING_SECONDS = 5.0
"""How long a refusal is doubted of a server that does not say that it is ready."""
WATCH_SECONDS = 290
"""The server ends a watch after this; silence for longer is a dead connection."""

CHANNELS = ("v4.channel.k8s.io",)
"""How one connection carries several streams: the first byte of each message is the channel."""

T = TypeVar("T")
Query = list[tuple[str, str]]
BROKEN = (TimeoutError, aiohttp.ClientError, OSError, ValueError)
"""What a connection can do instead of answering; ValueError is half an answer."""


class Http:
    """One connection pool and one identity's credentials."""

    def __init__(self, api: ApiClient) -> None:
        """Speak through the official client."""
        self._api = api

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def call(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any = None,
        seconds: float = CALL_SECONDS,
        accept: str = JSON,
    ) -> Manifest:
        """Return the answer to one request.

        Raises:
            Unavailable, NotFound, Conflict, Refused, BadInput: what the server said, or that it did not.
        """
        limits = aiohttp.ClientTimeout(total=seconds)
        response = await self._send(method, path, query, body, limits, accept)
        try:
            answer: Manifest = msgspec.json.decode(await response.read())
        except BROKEN as error:
            raise Unavailable(f"the answer to {method} {path} broke off: {error!r}") from error
        return answer

    async def stream(self, path: str, version: str, accept: str = JSON) -> AsyncGenerator[Change, None]:
        """Yield the changes since a version, bookmarks included, until the server ends the watch.

        OPENED comes first, once the server has taken the request.

        Raises:
            Expired: the server does not know this version any more.
            Unavailable: the connection broke.
        """
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS, sock_read=WATCH_SECONDS + 30)
        response = await self._send("GET", path, query, None, limits, accept)
        try:
            yield Change("OPENED", {})
            async for line in response.content:
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    raise translated(event["object"].get("code", 500), {}, event["object"], f"watch {path}")
                yield Change(event["type"], event["object"])
        except BROKEN as error:
            raise Unavailable(f"the watch of {path} broke off: {error!r}") from error
        finally:
            response.close()

    async def text(self, path: str, query: Query, limit: int, seconds: float = CALL_SECONDS) -> bytes:
        """Return the first bytes of an answer that is no JSON.

        Raises:
            Unavailable, NotFound, Refused, BadInput: what the server said, or that it did not.
        """
        response = await self._send("GET", path, query, None, aiohttp.ClientTimeout(total=seconds))
        try:
            kept = b""
            while len(kept) < limit and (part := await response.content.read(limit - len(kept))):
                kept += part
        except BROKEN as error:
            raise Unavailable(f"the answer to GET {path} broke off: {error!r}") from error
        finally:
            response.close()
        return kept

    async def channels(self, path: str, query: Query) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield what a stream of the API server says, by channel, until it ends.

        Raises:
            Unavailable, NotFound, Refused, BadInput: what the server said, or that it did not.
        """
        request = await self._api.param_serialize(
            "GET", path, None, query, {}, None, auth_settings=["BearerToken"]
        )
        rest = self._api.rest_client
        rest.pool_manager = rest.pool_manager or rest._create_pool_manager()
        url = request[1].replace("http", "ws", 1)
        try:
            async with rest.pool_manager.ws_connect(url, headers=request[2], protocols=CHANNELS) as stream:
                async for message in stream:
                    if message.type is aiohttp.WSMsgType.BINARY and message.data:
                        yield message.data[0], message.data[1:]
        except aiohttp.WSServerHandshakeError as error:
            told = (
                {"message": f"the node did not start it: HTTP {error.status}"} if error.status >= 500 else {}
            )
            raise translated(error.status, error.headers or {}, told, f"stream {path}") from error
        except BROKEN as error:
            raise Unavailable(f"the stream {path} broke off: {error!r}") from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any,
        limits: aiohttp.ClientTimeout,
        accept: str = JSON,
    ) -> aiohttp.ClientResponse:
        """Return the answer to one request, asked again where only a server that starts has refused it."""
        response = await self._attempt(method, path, query, body, limits, accept)
        if response.status in (401, 403):
            await self._started()
            response = await self._attempt(method, path, query, body, limits, accept)
        if response.status < 300:
            return response
        try:
            text = await response.text()
        except BROKEN as error:
            raise Unavailable(f"the answer to {method} {path} broke off: {error!r}") from error
        raise translated(response.status, response.headers, status(text), f"{method} {path}")

    async def _started(self) -> None:
        """Return once the server says that it is ready, or after a while if it never says so.

        One that comes up answers before it has read who may do what, and refuses everybody.
        """
        end = time.monotonic() + STARTING_SECONDS
        limits = aiohttp.ClientTimeout(total=CALL_SECONDS)
        while time.monotonic() < end:
            response = await self._attempt("GET", "/readyz", [], None, limits)
            response.close()
            if response.status < 300:
                return
            await asyncio.sleep(0.25)

    async def _attempt(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any,
        limits: aiohttp.ClientTimeout,
        accept: str = JSON,
    ) -> aiohttp.ClientResponse:
        kind = "application/json-patch+json" if method == "PATCH" else JSON
        headers = {"Accept": accept, "Content-Type": kind}
        try:
            request = await self._api.param_serialize(
                method, path, None, query, headers, body, auth_settings=["BearerToken"]
            )
            answer = await self._api.call_api(*request, _request_timeout=limits)
        except BROKEN as error:
            raise Unavailable(f"{method} {path}: the API server did not answer: {error!r}") from error
        response: aiohttp.ClientResponse = answer.response
        return response


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Return what a read returns, trying again for a while if the server does not answer.

    Raises:
        Unavailable: it did not for `PATIENCE_SECONDS`.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    pause = 0.05
    while True:
        try:
            return await read()
        except Unavailable as error:
            wait = max(error.retry_after or 0.0, random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            if time.monotonic() + wait > end:
                raise
        await asyncio.sleep(wait)
        pause = min(pause * 2, 1.0)


def path_of(ref: ObjectRef) -> str:
    """Return the URL path of one object; of its kind where the name is empty."""
    root = f"/apis/{ref.group}/{ref.version}" if ref.group else f"/api/{ref.version}"
    inside = f"/namespaces/{quote(ref.namespace, safe='')}" if ref.namespace else ""
    name = f"/{quote(ref.name, safe='')}" if ref.name else ""
    return f"{root}{inside}/{ref.resource}{name}"
