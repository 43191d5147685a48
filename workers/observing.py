"""What an agent remembers of all that it saw, suspicious or not, so that it can be asked for the time before.

It is kept in a stream of the agent's own, bounded in age and size: it outlives a restart and is the same for all
replicas. Each of them holds it in memory too, indexed by whom it is about, and reads on before it answers.
"""

import asyncio
import json
from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError

from signals.entities import Entity
from signals.errors import BadInput, FirebreakError
from signals.observations import KEPT, Observation, Observations, ObservationsQuery
from signals.subjects import OBSERVATIONS, observed_stream, observed_subject, service_subject
from workers.bus import Bus

MOST = 50_000
"""Observations in memory; the oldest give way."""
READ_ON_SECONDS = 5.0
"""How often a replica reads what the others have kept, so that an answer need not read much."""

log = structlog.get_logger(__name__)


class Window:
    """Observations in memory, bounded by number and age, found by whom they are about."""

    def __init__(self, most: int = MOST, age: timedelta = KEPT) -> None:
        """Remember at most so many, and for so long."""
        self._most, self._age = most, age
        self._all: OrderedDict[str, Observation] = OrderedDict()
        self._about: defaultdict[str, deque[str]] = defaultdict(deque)
        self._given_way: datetime | None = None

    def add(self, observation: Observation) -> None:
        """Remember one; what comes again is remembered once."""
        if observation.id in self._all:
            return
        self._all[observation.id] = observation
        for key in _keys(observation.entities):
            self._about[key].append(observation.id)
        if len(self._all) > self._most:
            self._given_way = self._forget().until

    def age(self, now: datetime) -> None:
        """Forget what is too old."""
        while self._all and next(iter(self._all.values())).until < now - self._age:
            self._forget()

    def _forget(self) -> Observation:
        _, oldest = self._all.popitem(last=False)
        for key in _keys(oldest.entities):
            self._about[key].popleft()
            if not self._about[key]:
                del self._about[key]
        return oldest

    def complete_since(self, now: datetime) -> datetime:
        """Return from when on nothing was forgotten."""
        oldest = now - self._age
        return max(oldest, self._given_way) if self._given_way else oldest

    def about(self, query: ObservationsQuery) -> tuple[list[Observation], int]:
        """Return what was seen, oldest first, and how many older ones are left out."""
        ids = dict.fromkeys(name for key in _keys((query.entity,)) for name in self._about.get(key, ()))
        found = [self._all[name] for name in ids]
        found = [one for one in found if one.until >= query.since and one.at <= query.until]
        found.sort(key=lambda one: (one.at, one.id))
        return found[-query.limit :], max(0, len(found) - query.limit)


def _keys(entities: Sequence[Entity]) -> frozenset[str]:
    """Return the keys to find these by; what is known by UID is found by name too."""
    return frozenset(key for one in entities for key in (one.key, one.name_key))


class Observing:
    """One agent's memory of what it saw, and its answers from it."""

    def __init__(self, bus: Bus, window: Window | None = None) -> None:
        """Keep and answer over this connection."""
        self._bus = bus
        self._window = window or Window()
        self._read = 0
        self._turn = asyncio.Lock()

    async def keep(self, observations: Sequence[Observation]) -> None:
        """Keep these, together. What cannot be kept is not worth stopping for, and is logged."""
        if not observations:
            return
        payload = json.dumps([one.model_dump(mode="json") for one in observations]).encode()
        try:
            await self._bus.append(observed_subject(self._bus.agent), payload)
        except BadInput:
            if len(observations) > 1:
                middle = len(observations) // 2
                await self.keep(observations[:middle])
                await self.keep(observations[middle:])
        except FirebreakError as error:
            log.warning("observations are not remembered", count=len(observations), error=str(error))

    async def serve(self) -> None:
        """Answer whoever may ask, and read on for ever."""
        await self._bus.serve(service_subject(self._bus.agent, OBSERVATIONS), self.answer)
        while True:
            try:
                await self.read_on()
            except FirebreakError as error:
                log.warning("observations are read later", error=str(error))
            await asyncio.sleep(READ_ON_SECONDS)

    async def answer(self, question: bytes) -> bytes:
        """Return what was seen.

        Raises:
            BadInput: it is no question.
            Unavailable: what was kept cannot be read.
        """
        try:
            query = ObservationsQuery.model_validate_json(question)
        except ValidationError as error:
            raise BadInput(f"not a question about observations: {error.errors()[0]['msg']}") from error
        await self.read_on()
        found, left_out = self._window.about(query)
        answer = Observations(
            agent=self._bus.agent,
            observations=tuple(found),
            complete_since=self._window.complete_since(datetime.now(UTC)),
            left_out=left_out,
        )
        return answer.model_dump_json().encode()

    async def read_on(self) -> None:
        """Take in what was kept since the last time, by any replica."""
        async with self._turn:
            stream = observed_stream(self._bus.agent)
            async for stored in self._bus.oldest(stream, after=self._read):
                self._read = stored.sequence
                for observation in _decoded(stored.data):
                    self._window.add(observation)
            self._window.age(datetime.now(UTC))


def _decoded(payload: bytes) -> list[Observation]:
    try:
        return [Observation.model_validate(one) for one in json.loads(payload)]
    except (ValueError, TypeError):
        log.error("a message of observations cannot be read")
        return []
