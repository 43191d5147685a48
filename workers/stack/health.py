"""How the supervisor asks a server whether it serves: one short request over loopback."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

PATIENCE = aiohttp.ClientTimeout(total=2)

Probe = Callable[[], Awaitable[bool]]


def http(url: str, trust: ssl.SSLContext | None = None) -> Probe:
    """Return a probe that holds when the URL answers 200."""

    async def answers() -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE) as session,
                session.get(url, ssl=trust or True) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return answers


def file(path: Path) -> Probe:
    """Return a probe that holds when a file exists."""

    async def exists() -> bool:
        return await asyncio.to_thread(path.exists)

    return exists


def trusting(
    authority: Path | str | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Return a TLS client that believes one authority (None: the system's) and has a certificate if given."""
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if certificate and key:
        context.load_cert_chain(str(certificate), str(key))
    return context
