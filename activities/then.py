"""What the cluster was at a moment, asked of the context store page by page, with how sure that is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from signals.errors import FirebreakError
from signals.past import StateAnswer, StateQuery

DEADLINE = 5.0
"""Seconds for all pages: who investigates does not wait longer for the past."""
_EVERYTHING = "everything"

Ask = Callable[[bytes], Awaitable[bytes]]
"""The context store's service `state`."""


@dataclass(frozen=True, kw_only=True)
class Then:
    """The manifests of a moment; none where `why` says that it is not known."""

    at: datetime
    items: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    """What is not certain about it, a line each."""
    why: str = ""


async def then(ask: Ask, at: datetime, kinds: Collection[str]) -> Then:
    """Return the objects of these kinds at that moment, or why they cannot be had."""
    try:
        async with asyncio.timeout(DEADLINE):
            pages = [page async for page in _pages(ask, StateQuery(at=at, kinds=tuple(kinds)))]
    except TimeoutError:
        return Then(at=at, why=f"the context store did not answer within {DEADLINE:g} s")
    except FirebreakError as error:
        return Then(at=at, why=f"the context store did not answer: {error}")
    except ValidationError:
        return Then(at=at, why="the context store gave an answer that cannot be read")
    items = tuple(item for page in pages for item in page.items)
    if not items:
        return Then(at=at, why="the context store knows nothing of that moment")
    return Then(at=at, items=items, missing=tuple(_doubts(pages[0], kinds)))


async def _pages(ask: Ask, query: StateQuery) -> AsyncIterator[StateAnswer]:
    after: int | None = 0
    while after is not None:
        asked = query.model_copy(update={"after": after})
        page = StateAnswer.model_validate_json(await ask(asked.model_dump_json().encode()))
        yield page
        after = page.next


def _doubts(page: StateAnswer, kinds: Collection[str]) -> Iterator[str]:
    """Yield what is not certain of the kinds that were asked for."""
    yield from (line for line in page.missing if line.partition(":")[0] in {*kinds, _EVERYTHING})
    if page.uncertain:
        yield f"{page.uncertain} objects changed at about that time: `firebreak context at` names them"
