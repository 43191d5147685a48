"""A command outlives the restart of a server: it asks again for a while before it gives up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from signals.errors import Unavailable

T = TypeVar("T")

SECONDS = 15.0
"""How long a command waits for a server that does not answer."""
PAUSE = 0.25
"""Seconds between two attempts."""


async def patiently(ask: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T:
    """Return what `ask` returns, repeating it while a server is unavailable.

    Raises:
        Unavailable: it still was after `seconds`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await ask()
        except Unavailable:
            if loop.time() + PAUSE > deadline:
                raise
            await asyncio.sleep(PAUSE)
