"""The door for alerts over HTTP: as Falco's `http_output`, falcosidekick and Falco Talon's senders knock.

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
from workers.feed import FALCO
from workers.intake import Accepted, Intake
from workers.senders import Senders
from workers.settings import Settings

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

    def __init__(self, settings: Settings, intake: Intake) -> None:
        """Serve by these settings, into this intake.

        Raises:
            SettingsInvalid: tokens or certificate cannot be read, or plain HTTP was asked for beyond loopback.
        """
        self._settings = settings
        self._intake = intake
        self._senders = Senders.read(settings.falco_tokens_file)
        self._tls = _tls(settings)
        self._renewing: asyncio.Task[None] | None = None
        self._busy = 0
        app = web.Application(client_max_size=settings.max_alert_bytes)
        app.router.add_post("/", self._post)
        app.router.add_post("/falco", self._post)
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        self.port = settings.falco_port

    async def __aenter__(self) -> "Receiver":
        """Listen."""
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._settings.falco_host,
            self._settings.falco_port,
            ssl_context=self._tls,
            backlog=1024,
        )
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise SettingsInvalid(f"FIREBREAK_FALCO_PORT: {error}") from error
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
        shown = _certificate(self._settings)
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if (found := _certificate(self._settings)) != shown:
                    _load(context, self._settings)
                    shown = found
            except (OSError, SettingsInvalid) as error:
                log.warning("the receiver's certificate is not renewed yet", error=str(error))

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _post(self, request: web.Request) -> web.Response:
        sender = self._senders.who(request.headers.get("Authorization", ""))
        if sender is None:
            return _refusal(401, "unauthorized", "send a known token: 'Authorization: Bearer TOKEN'")
        if (request.content_length or 0) > self._settings.max_alert_bytes:
            return self._too_large()
        if self._busy >= self._settings.max_backlog:
            return _refusal(429, "overload", "too many requests are in flight; send it again")
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
            return _refusal(408, "timeout", f"the body did not arrive within {BODY_SECONDS:.0f} s")
        try:
            accepted = await self._intake.accept(body, sender, request.headers)
        except Unavailable as error:
            log.warning("alerts could not be stored; the sender was told", sender=sender, error=str(error))
            return _refusal(503, "unavailable", "the alerts could not be stored; send them again")
        return _answer(accepted)

    def _too_large(self) -> web.Response:
        limit = self._settings.max_alert_bytes
        return _refusal(413, "too_large", f"a body may have {limit} bytes; send fewer alerts at once")


def _answer(accepted: Accepted) -> web.Response:
    """Answer 200 if all of it is stored as alerts, else 400 with what is not; the rest of it is stored then too."""
    body: dict[str, Any] = {"accepted": accepted.alerts}
    if not accepted.rejected:
        return web.json_response(body)
    body["rejected"] = [{"index": one.index, "reason": one.reason} for one in accepted.rejected[:SHOWN]]
    body["error"] = f"{len(accepted.rejected)} of the items are no alerts; the others are accepted"
    return web.json_response(body, status=400)


def _refusal(status: int, outcome: str, error: str) -> web.Response:
    metrics.alert(FALCO, outcome)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": error}, status=status, headers=headers)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.falco_cert_file is None:
        if not _loopback(settings.falco_host):
            raise SettingsInvalid(
                "FIREBREAK_FALCO_CERT_FILE: plain HTTP is for loopback only; name a certificate"
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    try:
        context.load_cert_chain(settings.falco_cert_file or "", settings.falco_key_file)
    except OSError as error:
        raise SettingsInvalid(f"FIREBREAK_FALCO_CERT_FILE: {settings.falco_cert_file}: {error}") from error


def _certificate(settings: Settings) -> tuple[bytes, ...]:
    files = settings.falco_cert_file, settings.falco_key_file
    return tuple(file.read_bytes() for file in files if file)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
