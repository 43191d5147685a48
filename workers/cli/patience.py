"""A command outlives the restart of a server: it asks again for a while before it gives up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from signals.errors import FirebreakError, Unavailable

T = TypeVar("T")

SECONDS = 15.0
"""How long a command waits for a server that does not answer."""
PAUSE = 0.25
"""Seconds between two attempts."""


async def patiently(
    ask: Callable[[], Awaitable[T]],
    seconds: float = SECONDS,
    errors: tuple[type[FirebreakError], ...] = (Unavailable,),
) -> T:
    """Return what `ask` returns, repeating it while a server is unavailable (or says other `errors`).

    Raises:
        Unavailable: it still was after `seconds`; so with the other `errors`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await ask()
        except errors:
            if loop.time() + PAUSE > deadline:
                raise
            await asyncio.sleep(PAUSE)
