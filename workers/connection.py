"""One agent's connection to NATS: who it is there, what was denied to it, and that it comes back by itself."""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any, Self

import nats
import nats.errors
import structlog

from activities.adapters.nats import ClientTls, translated
from signals.errors import SettingsInvalid
from workers.settings import Settings

CONNECT_SECONDS = 30.0
"""How long the first connection may take before the agent gives up and is restarted."""
RENEW_SECONDS = 10.0
"""How often it is looked whether there is a new certificate; then the connection is made anew with it."""

log = structlog.get_logger(__name__)


class Connection:
    """One connection as one agent. `client` is nats-py's."""

    def __init__(self, agent: str, tls: ClientTls) -> None:
        """Hold an identity; nothing is connected before `open`."""
        self.agent = agent
        self.client: Any = nats.NATS()
        self._tls = tls
        self._denials: deque[tuple[float, str]] = deque(maxlen=64)
        self._lost = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: Settings, agent: str) -> Self:
        """Connect as one agent; from then on a lost connection comes back by itself.

        Raises:
            SettingsInvalid: there is no certificate for this agent.
            Unavailable: NATS did not let us in within `CONNECT_SECONDS`.
        """
        if settings.nats_dir is None:
            raise SettingsInvalid("FIREBREAK_NATS_DIR must name the folder of certificates")
        try:
            connection = cls(agent, ClientTls(settings.nats_dir, agent))
        except OSError as error:
            raise SettingsInvalid(f"FIREBREAK_NATS_DIR: {settings.nats_dir}: {error}") from error
        with translated(f"connecting to {settings.nats_url} as {agent}"):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection._connect(settings.nats_url)
            except BaseException:
                connection._drop()
                raise
        return connection

    async def _connect(self, url: str) -> None:
        await self.client.connect(
            url,
            tls=self._tls.context,
            name=self.agent,
            inbox_prefix=f"_INBOX.{self.agent}",
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,
            connect_timeout=3,
        )
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """Use a new certificate before the old one ends, not only when the connection happens to break."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not self._take_new_certificate():
                continue
            log.info("nats is connected anew with a new certificate", agent=self.agent)
            with suppress(nats.errors.Error, TimeoutError):
                await self.client.flush(timeout=2)
            await self.client.force_reconnect()

    def _take_new_certificate(self) -> bool:
        if not self._tls.renew():
            return False
        self.client.options["tls"] = self._tls.context
        return True

    async def lost(self) -> None:
        """Return when the connection is over for good: the server has closed it, as it does with the revoked."""
        await self._lost.wait()

    async def close(self) -> None:
        """Send what is still to be sent, and disconnect."""
        if self._renewing:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self.client.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self.client.flush(timeout=2)
        try:
            await self.client.close()
        except (
            OSError,
            AttributeError,
        ):  # it broke just now: a closed TLS transport has nothing to write with
            self._drop()

    def _drop(self) -> None:
        if self.client._transport:
            self.client._transport.close()

    def denied(self, subject: str, since: float) -> str:
        """Return what the server said if it denied publishing on this subject since then (monotonic seconds)."""
        lowered = f'"{subject.lower()}"'
        return next((text for at, text in self._denials if at >= since and lowered in text), "")

    async def _on_error(self, error: Exception) -> None:
        if self.client.is_connecting or self.client.is_reconnecting:
            self._drop()  # nats-py leaves the socket of an attempt that failed open
        text = str(error)
        if "permissions violation" in text:
            self._denials.append((monotonic(), text))
            log.error("nats denied it", agent=self.agent, error=text)
        else:
            log.warning("nats error", agent=self.agent, error=text or type(error).__name__)

    async def _on_disconnect(self) -> None:
        if not self.client.is_closed:
            self._take_new_certificate()
            log.warning("nats disconnected", agent=self.agent)

    async def _on_reconnect(self) -> None:
        log.info("nats reconnected", agent=self.agent)

    async def _on_close(self) -> None:
        self._lost.set()
