"""Which writes may run at the same time, and how: all of them to their end, whatever comes of one."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from signals.plans import Write

T = TypeVar("T")


def phases(writes: Sequence[Write]) -> list[tuple[Write, ...]]:
    """Return writes that may run at the same time, in order."""
    return [tuple(group) for _, group in groupby(writes, key=lambda write: write.kind)]


async def every(work: Iterable[Awaitable[T]]) -> list[T]:
    """Wait for all, then raise the first error: no write is ever left running behind an error."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in done if not isinstance(outcome, BaseException)]
