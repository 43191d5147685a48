"""How clicks come in: over a connection that we open (Socket Mode), or as signed requests from Slack.

Both lead to the same place, and Slack hears that a click arrived once it is kept. Our own loop around aiohttp's
WebSocket, and not the SDK's client: that one acknowledges from tasks of its own, which nobody can wait for.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import structlog
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from activities.ports import KeyValue
from activities.slack.click import parse
from activities.slack.web import Speaking
from signals.errors import Conflict, FirebreakError, Refused, SettingsInvalid, Unavailable

PATH = "/slack/interactivity"
"""The request URL to put into the app's settings ends with this."""
SKEW_SECONDS = 300
"""How far a request's time may be from ours."""
NONCES = "slack/nonce/"
MOST_BYTES = 1 << 20
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
HEARTBEAT_SECONDS = 10.0
"""How often it is asked whether the other end is still there."""

Take = Callable[[dict[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)


class Socket:
    """Socket Mode: one connection that we open, and open again for as long as we run."""

    def __init__(self, web_: Speaking, take: Take) -> None:
        """Open it by the app's own token, which `web_` speaks with; what comes goes to `take`."""
        self._web = web_
        self._take = take
        self.connected = asyncio.Event()
        """Set while Slack can reach us."""

    async def run(self) -> None:
        """Listen, for ever."""
        pause = FIRST_PAUSE
        async with aiohttp.ClientSession(trust_env=True) as session:
            while True:
                try:
                    body = await self._web.call("apps.connections.open")
                    async with session.ws_connect(str(body["url"]), heartbeat=HEARTBEAT_SECONDS) as socket:
                        pause = FIRST_PAUSE
                        await self._listen(socket)
                except (FirebreakError, aiohttp.ClientError, OSError, TimeoutError) as error:
                    wait = getattr(error, "retry_after", None) or pause
                    log.warning("slack cannot reach us", error=str(error), again_in=wait)
                    await asyncio.sleep(wait)
                    pause = min(pause * 2, LONGEST_PAUSE)
                finally:
                    self.connected.clear()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                envelope = dict(parse(message.data))
            except Refused:
                continue
            if envelope.get("type") == "hello":
                self.connected.set()
            elif envelope.get("type") == "disconnect":
                return  # Slack renews its connections now and then
            elif envelope_id := envelope.get("envelope_id"):
                await self._one(socket, str(envelope_id), envelope.get("payload"))

    async def _one(self, socket: aiohttp.ClientWebSocketResponse, envelope: str, payload: object) -> None:
        if isinstance(payload, dict):
            try:
                await self._take(payload)
            except Unavailable as error:
                log.error("a click could not be kept; whoever pressed sees that", error=str(error))
                return  # unacknowledged: Slack shows a warning, and they press again
        await socket.send_json({"envelope_id": envelope})


class Interactivity:
    """Signed requests from Slack, on an address that Slack can reach."""

    def __init__(
        self, secret: str, bucket: KeyValue, take: Take, clock: Callable[[], float] = time.time
    ) -> None:
        """Believe what is signed with this secret, once; `clock` is the time of day in seconds."""
        self._verifier = SignatureVerifier(secret)
        self._bucket = bucket
        self._take = take
        self._clock = clock
        self._forgot_at = clock()

    async def serve(self, host: str, port: int, ready: Callable[[int], None] = lambda _: None) -> None:
        """Serve until cancelled; `ready` is told the port.

        Raises:
            SettingsInvalid: nobody can listen there.
        """
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(PATH, self._post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            ready(runner.addresses[0][1])
            await asyncio.Event().wait()
        except OSError as error:
            raise SettingsInvalid(f"FIREBREAK_SLACK_PORT: {error}") from error
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        try:
            raw = await request.read()
            await self._prove(raw, request.headers.get("X-Slack-Request-Timestamp", ""),
                              request.headers.get("X-Slack-Signature", ""))  # fmt: skip
            payloads = parse_qs(raw.decode("utf-8", "strict")).get("payload", [])
            for payload in payloads:
                await self._take(dict(parse(payload)))
        except (Refused, UnicodeDecodeError, ValueError) as error:
            log.warning("a request in Slack's name was refused", error=str(error), remote=request.remote)
            return web.Response(status=401)
        except Unavailable as error:
            log.error("a click could not be kept; whoever pressed sees that", error=str(error))
            return web.Response(status=503)
        return web.Response()

    async def _prove(self, raw: bytes, timestamp: str, signature: str) -> None:
        """Return if Slack has signed these bytes, just now, and they were not here before.

        Raises:
            Refused: it has not.
            Unavailable: whether they were here before is not known now.
        """
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Refused("the time of the request is no number")
        if abs(self._clock() - int(timestamp)) > SKEW_SECONDS:
            raise Refused("the request is too old, or of the future: check the clocks")
        expected = self._verifier.generate_signature(timestamp=timestamp, body=raw)
        if expected is None or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Refused("the signature is not Slack's: check the signing secret")
        key = NONCES + hashlib.sha256(f"{timestamp}:{signature}".encode()).hexdigest()
        try:
            await self._bucket.create(key, timestamp.encode())
        except Conflict as error:
            raise Refused("the very same request was here before") from error
        if self._clock() - self._forgot_at > SKEW_SECONDS:
            self._forgot_at = self._clock()
            await self._forget()

    async def _forget(self) -> None:
        """Take away what could not be replayed any more: its time alone is refused."""
        for key in await self._bucket.keys():
            entry = await self._bucket.get(key) if key.startswith(NONCES) else None
            if entry and self._clock() - int(entry.value) > 2 * SKEW_SECONDS:
                await self._bucket.delete(key)
