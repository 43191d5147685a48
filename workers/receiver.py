"""The door for a feed over HTTP: as Falco, falcosidekick and an API server's audit webhook knock.

2xx means durable. Whoever hears anything else may send the same again: nothing is counted twice.
"""

import asyncio
import ssl
from ipaddress import ip_address
from typing import Any

import structlog
from aiohttp import web

from activities import metrics
from signals.errors import SettingsInvalid, Unavailable
from workers.doors import Door
from workers.intake import Accepted, Intake
from workers.senders import Senders

BODY_SECONDS = 10.0
"""How long a sender may take to send one body."""
RETRY_SECONDS = 1
SHOWN = 20
"""Rejected items that an answer names."""
SHUTDOWN_SECONDS = 10.0
RENEW_SECONDS = 10.0
"""How often it is looked whether there is a new certificate."""

log = structlog.get_logger(__name__)


class Receiver:
    """The HTTP server. Use as a context manager; `port` is then the one that it listens on."""

    def __init__(self, door: Door, intake: Intake[Any]) -> None:
        """Serve at this door, into this intake.

        Raises:
            SettingsInvalid: tokens or certificate cannot be read, or plain HTTP was asked for beyond loopback.
        """
        self._door = door
        self._intake = intake
        self._senders = Senders.read(door.tokens_file, door.setting)
        self._tls = _tls(door)
        self._renewing: asyncio.Task[None] | None = None
        self._busy = 0
        app = web.Application(client_max_size=door.max_bytes)
        app.router.add_post("/", self._post)
        app.router.add_post(door.path, self._post)
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        self.port = door.port

    async def __aenter__(self) -> "Receiver":
        """Listen."""
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._door.host,
            self._door.port,
            ssl_context=self._tls,
            backlog=1024,
        )
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise SettingsInvalid(f"{self._door.setting}_PORT: {error}") from error
        self.port = self._runner.addresses[0][1]
        if self._tls:
            self._renewing = asyncio.create_task(self._renew(self._tls))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening, and answer those who are being served."""
        if self._renewing:
            self._renewing.cancel()
        await self._runner.cleanup()

    async def _renew(self, context: ssl.SSLContext) -> None:
        """Show new senders a new certificate; one that does not fit its key yet is looked at again."""
        shown = _certificate(self._door)
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if (found := _certificate(self._door)) != shown:
                    _load(context, self._door)
                    shown = found
            except (OSError, SettingsInvalid) as error:
                log.warning("the receiver's certificate is not renewed yet", error=str(error))

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _post(self, request: web.Request) -> web.Response:
        sender = self._senders.who(request.headers.get("Authorization", ""))
        if sender is None:
            return self._refusal(401, "unauthorized", "send a known token: 'Authorization: Bearer TOKEN'")
        if (request.content_length or 0) > self._door.max_bytes:
            return self._too_large()
        if self._busy >= self._door.max_backlog:
            return self._refusal(429, "overload", "too many requests are in flight; send it again")
        self._busy += 1
        try:
            return await self._take(request, sender)
        finally:
            self._busy -= 1

    async def _take(self, request: web.Request, sender: str) -> web.Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except TimeoutError:
            return self._refusal(408, "timeout", f"the body did not arrive within {BODY_SECONDS:.0f} s")
        try:
            accepted = await self._intake.accept(body, sender, request.headers)
        except Unavailable as error:
            log.warning("it could not be stored; the sender was told", sender=sender, error=str(error))
            return self._refusal(503, "unavailable", "it could not be stored; send it again")
        return _answer(accepted)

    def _too_large(self) -> web.Response:
        limit = self._door.max_bytes
        return self._refusal(413, "too_large", f"a body may have {limit} bytes; send fewer at once")

    def _refusal(self, status: int, outcome: str, error: str) -> web.Response:
        metrics.alert(self._intake.source.name, outcome)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return web.json_response({"error": error}, status=status, headers=headers)


def _answer(accepted: Accepted) -> web.Response:
    """Answer 200 if all of it is stored as alerts, else 400 with what is not; the rest of it is stored then too."""
    body: dict[str, Any] = {"accepted": accepted.alerts}
    if not accepted.rejected:
        return web.json_response(body)
    body["rejected"] = [{"index": one.index, "reason": one.reason} for one in accepted.rejected[:SHOWN]]
    body["error"] = f"{len(accepted.rejected)} of the items cannot be read; the others are accepted"
    return web.json_response(body, status=400)


def _tls(door: Door) -> ssl.SSLContext | None:
    if door.cert_file is None:
        if not _loopback(door.host):
            raise SettingsInvalid(
                f"{door.setting}_CERT_FILE: plain HTTP is for loopback only; name a certificate"
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, door)
    return context


def _load(context: ssl.SSLContext, door: Door) -> None:
    try:
        context.load_cert_chain(door.cert_file or "", door.key_file)
    except OSError as error:
        raise SettingsInvalid(f"{door.setting}_CERT_FILE: {door.cert_file}: {error}") from error


def _certificate(door: Door) -> tuple[bytes, ...]:
    files = door.cert_file, door.key_file
    return tuple(file.read_bytes() for file in files if file)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
