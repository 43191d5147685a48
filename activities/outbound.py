"""HTTP to one service outside: no redirects, no private address unless a setting says so, and our own errors."""

import ipaddress
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from signals.display import terminal
from signals.errors import Refused, SettingsInvalid, Unavailable

CALL_SECONDS = 8.0
"""How long one request may take: two of them fit into one attempt to tell people."""
ANSWER_BYTES = 1 << 20
LONGEST_WAIT = 3600.0
"""Seconds that a server may ask us to wait, at most."""
_SHOWN = 300
_PASSING = frozenset({408, 425, 429})
_DENIED = frozenset({401, 403})


def secret(path: Path, setting: str, *, length: int = 1, begins: str = "") -> str:
    """Return the secret in a file.

    Raises:
        SettingsInvalid: the file cannot be read, or holds less; the secret is not in the text.
    """
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{setting}: {path} cannot be read") from error
    if len(text) < length:
        raise SettingsInvalid(f"{setting}: {path} holds no secret of {length} characters or more")
    if not text.startswith(begins):
        raise SettingsInvalid(f"{setting}: {path} does not hold a token that begins with {begins}")
    return text


@dataclass(frozen=True)
class Reply:
    """What a service answered."""

    status: int
    body: bytes
    said: str
    """The beginning of it, harmless to show."""

    def json(self) -> Any:
        """Return what it holds.

        Raises:
            Unavailable: it is no JSON, as that of a proxy in between.
        """
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise Unavailable(f"an answer that is no JSON: {self.said}") from error


class _PublicOnly(AbstractResolver):
    """Finds addresses, and none that is inside. Between the look and the call nobody can change the answer."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if ipaddress.ip_address(one["host"].partition("%")[0]).is_global]
        if not public:
            raise Refused(_inside(host))
        return public

    async def close(self) -> None:
        await self._resolver.close()


class Outbound:
    """Requests to one service."""

    def __init__(self, url: str, setting: str, credentials: str, private_hosts: str) -> None:
        """Speak to this URL; the settings are named in what people are told.

        Raises:
            SettingsInvalid: it is no URL to which anything may be sent.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as error:
            raise SettingsInvalid(f"{setting}: {url!r} is no URL") from error
        self._private = host in {name.strip() for name in private_hosts.split(",")} - {""}
        if not host or parts.scheme not in ("https", "http") or parts.username or parts.password:
            raise SettingsInvalid(
                f"{setting}: {host or url!r} must be https://HOST/… without a password in it"
            )
        if parts.scheme == "http" and not self._private:
            raise SettingsInvalid(
                f"{setting}: plain HTTP goes only to hosts that FIREBREAK_PRIVATE_HOSTS names"
            )
        if not self._private and _literal_inside(host):
            raise SettingsInvalid(f"{setting}: {_inside(host)}")
        self._url = url.rstrip("/")
        self._host = host
        self._setting = setting
        self._credentials = credentials
        self._not_before = 0.0

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        data: bytes | aiohttp.FormData | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        fine: frozenset[int] = frozenset(),
    ) -> Reply:
        """Send one request and return a 2xx answer, or one whose status is `fine`.

        Raises:
            Unavailable: no answer, 429 or 5xx; after `Retry-After` the same may work.
            Refused: any other answer, a redirect included. The text says what to do.
        """
        left = self._not_before - time.monotonic()
        if left > 0:
            raise Unavailable(f"{self._host} asked to wait {left:.0f} s more", retry_after=left)
        body = msgspec.json.encode(json) if json is not None else data
        given = {"Content-Type": "application/json"} if json is not None else {}
        # one connection for one call: pages are rare, and nothing is left open between them
        connector = aiohttp.TCPConnector(resolver=None if self._private else _PublicOnly(), force_close=True)
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.request(
                    method, self._url + path, data=body, headers={**given, **(headers or {})},
                    allow_redirects=False,
                ) as answer,
            ):  # fmt: skip
                content = await _read(answer.content)
                reply = Reply(answer.status, content, terminal(content.decode("utf-8", "replace"), _SHOWN))
                waits = answer.headers.get("Retry-After", "")
        except (TimeoutError, aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise Unavailable(
                f"{self._host} does not answer: {str(error) or type(error).__name__}"
            ) from error
        return self._judged(reply, waits, fine)

    def _judged(self, reply: Reply, waits: str, fine: frozenset[int]) -> Reply:
        status = reply.status
        if 200 <= status < 300 or status in fine:
            return reply
        if status in _PASSING or status >= 500:
            seconds = _seconds(waits)
            self._not_before = time.monotonic() + seconds
            raise Unavailable(f"{self._host} answers {status}: {reply.said}", retry_after=seconds or None)
        if status in _DENIED:
            raise Refused(
                f"{self._host} answers {status}: it does not accept our credentials, or they may not do this."
                f" Check {self._credentials}, start the liaison again, and replay the dead letter. {reply.said}"
            )
        if 300 <= status < 400:
            raise Refused(
                f"{self._host} answers {status}: redirects are not followed. Correct {self._setting}"
            )
        raise Refused(f"{self._host} answers {status}: {reply.said}")


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Return all of an answer, in however many parts it comes; no more than `ANSWER_BYTES` of it."""
    found = b""
    async for part in content.iter_any():
        found = (found + part)[:ANSWER_BYTES]
        if len(found) == ANSWER_BYTES:
            break
    return found


def _seconds(waits: str) -> float:
    """Return how long `Retry-After` asks to wait, in seconds: a number, or a date."""
    try:
        seconds = float(waits)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(waits) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else 0.0


def _literal_inside(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _inside(host: str) -> str:
    return f"{host} is a private address; name it in FIREBREAK_PRIVATE_HOSTS if that is meant"
