"""Has the context store keep what an incident needs of the past, and writes its proof into the incident."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from pydantic import ValidationError

from activities.probe import Answer
from signals.entities import Entity
from signals.errors import FirebreakError
from signals.past import SliceAnswer, SliceQuery

DEADLINE = 8.0
"""Seconds that the context store may take."""

Ask = Callable[[bytes], Awaitable[bytes]]
"""The context store's service `slices`."""


async def keep(
    ask: Ask | None, incident: str, subjects: Sequence[Entity], since: datetime, until: datetime
) -> Answer:
    """Return what was kept of the past around some subjects, with the head that proves it, or why it was not."""
    spaces = tuple(sorted({subject.namespace for subject in subjects if subject.namespace}))
    if ask is None or not spaces:
        return Answer()
    try:
        query = SliceQuery(incident=incident, since=since, until=until, namespaces=spaces)
        async with asyncio.timeout(DEADLINE):
            kept = SliceAnswer.model_validate_json(await ask(query.model_dump_json().encode()))
    except TimeoutError:
        return Answer(missing=(f"the past was not kept: no answer within {DEADLINE:g} s",))
    except FirebreakError as error:
        return Answer(missing=(f"the past was not kept: {error}",))
    except ValidationError:
        return Answer(missing=("the past was not kept: the answer cannot be read",))
    finding = (
        f"the past since {since:%H:%M:%S} is kept: {kept.versions} versions, head sha256:{kept.head};"
        f" take it out with `firebreak context export --incident {incident} FILE`"
    )
    return Answer(findings=(finding,), missing=kept.missing)
