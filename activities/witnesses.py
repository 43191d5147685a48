"""Asks every agent that watches what it has seen of an incident's subjects, and says who did not answer."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from activities.probe import Answer
from signals.entities import Entity
from signals.errors import FirebreakError
from signals.observations import Observation, Observations, ObservationsQuery

LOOKBACK = timedelta(minutes=30)
"""How long before the first signal is asked about."""
DEADLINE = 5.0
"""Seconds that a witness may take."""

Ask = Callable[[bytes], Awaitable[bytes]]
"""One agent's service `observations`."""


async def hear(
    witnesses: Mapping[str, Ask], subjects: Sequence[Entity], since: datetime, until: datetime
) -> list[Answer]:
    """Return what each witness has seen of each subject; who does not answer is a line in `missing`."""
    questions = [
        (agent, ask, ObservationsQuery(entity=subject, since=since, until=until))
        for agent, ask in witnesses.items()
        for subject in subjects
    ]
    return await asyncio.gather(*(_hear(agent, ask, query) for agent, ask, query in questions))


async def _hear(agent: str, ask: Ask, query: ObservationsQuery) -> Answer:
    try:
        async with asyncio.timeout(DEADLINE):
            said = Observations.model_validate_json(await ask(query.model_dump_json().encode()))
    except TimeoutError:
        reason = f"did not answer within {DEADLINE:g} s"
    except FirebreakError as error:
        reason = f"did not answer: {error}"
    except ValidationError:
        reason = "gave an answer that cannot be read"
    else:
        return Answer(findings=_findings(agent, query.entity, said), missing=_limits(agent, query, said))
    return Answer(missing=(f"{agent} on {query.entity}: {reason}",))


def _findings(agent: str, entity: Entity, said: Observations) -> tuple[str, ...]:
    """Return one line for each kind of thing that was seen, of the thing itself or around it."""
    kinds: defaultdict[str, list[Observation]] = defaultdict(list)
    for one in said.observations:
        kinds[one.what].append(one)
    return tuple(
        f"{agent} saw {what!r} {'of' if _about(seen, entity) else 'around'} {entity} {_times(seen)}"
        for what, seen in sorted(kinds.items())
    )


def _about(seen: Sequence[Observation], entity: Entity) -> bool:
    """Return whether the thing itself was seen; the context store also tells what changed beside it."""
    names = {entity.key, entity.name_key}
    return any(names & {one.key, one.name_key} for observation in seen for one in observation.entities)


def _times(seen: Sequence[Observation]) -> str:
    count = sum(one.count for one in seen)
    first, last = min(one.at for one in seen), max(one.until for one in seen)
    if first == last:
        return f"at {first:%H:%M:%S}"
    return (
        f"{count} times between {first:%H:%M:%S} and {last:%H:%M:%S}" if count > 1 else f"at {first:%H:%M:%S}"
    )


def _limits(agent: str, query: ObservationsQuery, said: Observations) -> tuple[str, ...]:
    """Return what the witness itself says that it does not know."""
    missing = []
    if said.complete_since is None or said.complete_since > query.since:
        since = f"{said.complete_since:%H:%M:%S}" if said.complete_since else "an unknown time"
        missing.append(f"{agent} on {query.entity}: it remembers only from {since} on")
    if said.left_out:
        missing.append(f"{agent} on {query.entity}: {said.left_out} older observations are left out")
    return tuple(missing)
