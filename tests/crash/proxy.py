"""A reverse proxy that stands between our hands and the real API server, and fails requests while it is told to.

It ends TLS with a certificate of the stack's own authority and passes bearer tokens on, so the API server still
decides who may do what. Everything that it answers by itself is what a real one answers: a Status with the code,
half a connection, nothing at all, what was true a moment ago. A conflict is a real one: the object is changed
underneath, by the cluster's administrator, right before the write reaches the server.
"""

import asyncio
import json
import random
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Self

import aiohttp
from aiohttp import web

from tests.crash.weather import SILENCES, Fault, Weather
from workers.stack import credentials
from workers.stack.layout import Layout
from workers.stack.pki import SERVER, Authority, Subject
from workers.stack.ports import HOST, NAMES

CODES: Mapping[Fault, tuple[int, str, Mapping[str, str]]] = MappingProxyType(
    {
        Fault.BUSY: (429, "TooManyRequests", {}),
        Fault.BUSY_UNTIL: (429, "TooManyRequests", {"Retry-After": "1"}),
        Fault.BROKEN: (500, "InternalError", {}),
        Fault.BAD_GATEWAY: (502, "", {}),
        Fault.AWAY: (503, "ServiceUnavailable", {}),
    }
)
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
LAG_SECONDS = 1.5
"""How old a stale read may be, as of a replica that lags behind."""
TOUCH = "crash-suite/touched"
HOPS = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "keep-alive"}
)
HELD_SECONDS = 20.0
MERGE = {"Content-Type": "application/merge-patch+json"}


class Proxy:
    """The proxy, as an asynchronous context; `url` is where it listens."""

    def __init__(self, layout: Layout) -> None:
        """Stand before the API server of this stack, which may not run yet."""
        self._layout = layout
        self._seen: dict[str, deque[tuple[float, bytes, str]]] = {}
        self._weather: Weather | None = None
        self._draw = random.Random()
        self._silences = 0
        self.failed = 0
        """Requests that were failed since the weather last turned bad."""
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen."""
        self._layout.make()
        await asyncio.to_thread(credentials.make, self._layout, embedded=True)
        pki = self._layout.pki
        authority = Authority(pki, "ca")
        authority.issue(pki, "proxy", Subject(name="proxy", addresses=(HOST,), usages=(SERVER,)))
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(pki / "proxy.crt", pki / "proxy.key")
        self._trusted = ssl.create_default_context(cafile=str(authority.certificate_file))
        self._admin = ssl.create_default_context(cafile=str(authority.certificate_file))
        self._admin.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0),
        )
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0, ssl_context=serving).start()
        self.url = f"https://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self.clear()
        await self._runner.cleanup()
        await self._session.close()

    def turn(self, weather: Weather, seed: str) -> None:
        """Fail requests from now on; which ones, the seed draws."""
        self._weather, self._draw = weather, random.Random(seed)
        self.failed = self._silences = 0

    def clear(self) -> None:
        """Fail nothing from now on. Who waits for an answer that never comes waits on."""
        self._weather = None

    def _due(self, request: web.Request) -> Fault | None:
        """Return what this request is failed with, or nothing."""
        weather = self._weather
        if weather is None or self._draw.uniform(0, 100) >= weather.percent:
            return None
        fault = self._draw.choice(weather.faults)
        writes = request.method in WRITES
        if fault is Fault.STALE and writes:
            return None
        if fault is Fault.CONFLICT and request.method not in ("PATCH", "DELETE"):
            return None
        if fault is Fault.SILENT:
            if self._silences >= SILENCES or not writes:
                return None
            self._silences += 1
        return fault

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on, unless it is to be failed."""
        fault = None if "watch" in request.query else self._due(request)
        if fault and fault in CODES:
            self.failed += 1
            return _status(fault)
        if fault is Fault.STALE and (old := self._stale(request)):
            self.failed += 1
            return old
        if fault is Fault.CONFLICT:
            self.failed += 1
            await self._touch(request.path)
        try:
            return await self._forwarded(request, fault)
        except (aiohttp.ClientError, OSError):
            _drop(request)
            return web.Response(status=502)

    async def _forwarded(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOPS}
        async with self._session.request(
            request.method,
            f"{self._upstream}{request.raw_path}",
            data=await request.read() or None,
            headers=headers,
            ssl=self._trusted,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOPS}
            if "watch" in request.query:
                return await self._streamed(request, answer, kept)
            body = await answer.read()
            if fault in (Fault.RESET, Fault.SILENT):
                self.failed += 1
                if fault is Fault.SILENT:
                    await asyncio.sleep(HELD_SECONDS)
                _drop(request)
            if request.method == "GET" and answer.status == 200:
                self._remember(request.raw_path, body, kept.get("Content-Type", ""))
            return web.Response(status=answer.status, body=body, headers=kept)

    async def _streamed(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        with suppress(aiohttp.ClientError, ConnectionError):
            async for part in answer.content.iter_any():
                await response.write(part)
        _drop(request)
        return response

    @property
    def _upstream(self) -> str:
        port = json.loads(self._layout.ports.read_bytes())["base"] + NAMES.index("kube-apiserver")
        return f"https://{HOST}:{port}"

    def _remember(self, path: str, body: bytes, kind: str) -> None:
        """Keep what was true, as long as a replica may lag behind."""
        now = time.monotonic()
        seen = self._seen.setdefault(path, deque())
        seen.append((now, body, kind))
        while now - seen[0][0] > LAG_SECONDS:
            seen.popleft()

    def _stale(self, request: web.Request) -> web.Response | None:
        """Return what was answered a moment ago to the same question, if anything was."""
        oldest = time.monotonic() - LAG_SECONDS
        for at, body, kind in self._seen.get(request.raw_path, ()):
            if at >= oldest:
                return web.Response(body=body, headers={"Content-Type": kind})
        return None

    async def _touch(self, path: str) -> None:
        """Change an object and change it back: it is what it was, under another resource version."""
        for value in (f"{time.monotonic_ns()}", None):
            body = json.dumps({"metadata": {"annotations": {TOUCH: value}}})
            with suppress(aiohttp.ClientError):
                async with self._session.patch(
                    f"{self._upstream}{path}", data=body, headers=MERGE, ssl=self._admin
                ) as answer:
                    await answer.read()


def _status(fault: Fault) -> web.Response:
    code, reason, headers = CODES[fault]
    if not reason:
        return web.Response(status=code, text="<html><body>Bad Gateway</body></html>", headers=dict(headers))
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"the crash suite says {fault}",
        "reason": reason,
        "code": code,
    }
    return web.json_response(body, status=code, headers=dict(headers))


def _drop(request: web.Request) -> None:
    """Reset the connection, as a balancer does that loses its server."""
    if request.transport is not None:
        request.transport.abort()
