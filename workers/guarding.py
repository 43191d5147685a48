"""Turns feed messages into threat events, and acknowledges them once what they mean is published."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Generic, Protocol, TypeVar

import structlog
from pydantic import ValidationError

from activities import metrics
from activities.tracing import inject, span
from signals.errors import BadInput, Unavailable, Undecodable
from signals.observations import Observation
from signals.subjects import SPAN_DETECT
from signals.telemetry.moments import moment
from signals.threats import ThreatEvent
from workers.bus import Bus
from workers.chain import ThreatPublisher
from workers.counting import Counted, Counting, Sighting
from workers.delivery import Message
from workers.feed import Record, Source
from workers.intake import AT_ONCE
from workers.observing import Observing

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
AGAIN_SECONDS = 1.0
"""When a message that could not be handled comes again."""
QUIET_SECONDS = 1.5
"""How long after its last alert the count of a flood is told to its end: a flood that goes on stays few events."""

log = structlog.get_logger(__name__)


class Suspected(Protocol):
    """One suspicion, before it is counted."""

    @property
    def key(self) -> str:
        """What it shares with the same one about the same subject."""

    @property
    def rule(self) -> str:
        """The name by which the policy knows it."""

    @property
    def detector_name(self) -> str:
        """The detector that raised it."""

    def event(self, counted: Counted, trace: dict[str, str]) -> ThreatEvent:
        """Return the event that says it, as often as it was counted."""

    def observation(self, name: str, *, at: datetime, until: datetime, count: int) -> Observation:
        """Return what was seen, so often between these instants, without any judgement of it."""


class Reading(Protocol[T_contra]):
    """What the records of one feed mean."""

    async def settle(self, given: Sequence[T_contra]) -> None:
        """Give what is known of the cluster a moment to catch up with these records."""

    def suspicions(
        self, given: T_contra, accepted_at: datetime, place: tuple[int, int]
    ) -> Iterable[tuple[Suspected, Sighting]]:
        """Return what one record raises; `place` is its message's sequence, and its position in it."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One suspicion that a record of the feed raises, with what it takes to count it and to tell it."""

    suspicion: Suspected
    sighting: Sighting
    message: Message
    trace: dict[str, str]

    @property
    def again(self) -> bool:
        """Whether its message was delivered before, so that what it means may not be published yet."""
        return self.message.deliveries > 1


class Guarding(Generic[T]):
    """Turns feed messages into threat events."""

    def __init__(
        self,
        *,
        source: Source[T],
        reading: Reading[T],
        counting: Counting,
        publisher: ThreatPublisher,
        bus: Bus,
        observing: Observing,
    ) -> None:
        """Read this feed, understand it so, and count in this bucket."""
        self._source = source
        self._reading = reading
        self._counting = counting
        self._publisher = publisher
        self._bus = bus
        self._observing = observing
        self._trailing: dict[str, tuple[Seen, Counted, float]] = {}
        self.at_work = asyncio.Lock()
        """Held while messages are in hand."""

    async def handle(self, messages: Sequence[Message]) -> None:
        """Publish what these messages mean, then acknowledge them; what fails comes again."""
        async with self.at_work:
            await self._handle(messages)

    async def _handle(self, messages: Sequence[Message]) -> None:
        batches = [(message, await self._decoded(message)) for message in messages]
        await self._reading.settle([record.alert for _, records in batches for record in records])
        groups: defaultdict[str, list[Seen]] = defaultdict(list)
        for message, records in batches:
            for position, record in enumerate(records):
                if position % AT_ONCE == 0:
                    await asyncio.sleep(0)
                for seen in self._see(message, position, record):
                    groups[seen.suspicion.key].append(seen)
        remembering = asyncio.create_task(self._observing.keep(_observations(groups.values())))
        outcomes = await asyncio.gather(*(self._tell(key, group) for key, group in groups.items()))
        await remembering
        failed = {sequence for outcome in outcomes for sequence in outcome}
        for message in messages:
            if message.sequence in failed:
                await message.nak(AGAIN_SECONDS)
            else:
                await message.ack()

    async def _decoded(self, message: Message) -> tuple[Record[T], ...]:
        if message.deliveries > 1:
            metrics.redelivery(self._source.agent)
        try:
            return self._source.decode(message.data)
        except Undecodable as error:
            log.error("a feed message was buried", sequence=message.sequence, reason=str(error))
            await self._bus.bury("feed", message.data, str(error), message.headers, came_on=message.subject)
            return ()

    def _see(self, message: Message, position: int, record: Record[T]) -> Iterator[Seen]:
        place = message.sequence, position
        for suspicion, sighting in self._reading.suspicions(record.alert, message.accepted_at, place):
            yield Seen(suspicion=suspicion, sighting=sighting, message=message, trace=record.trace)

    async def _tell(self, key: str, group: list[Seen]) -> set[int]:
        """Count one suspicion and publish it; return the sequences of the messages that must come again."""
        left = sorted(group, key=lambda seen: seen.sighting.at)
        try:
            while left:
                counted = await self._counting.count(key, [seen.sighting for seen in left])
                members = left[: counted.taken]
                if counted.rises or any(seen.again for seen in members):
                    self._trailing.pop(counted.event, None)
                    await self._publish(members[-1], counted)
                else:
                    self._trailing[counted.event] = members[-1], counted, monotonic()
                left = left[counted.taken :]
        except Unavailable as error:
            log.warning("a suspicion comes again", error=str(error))
        return {seen.message.sequence for seen in left}

    async def tell_trailing(self, quiet: float = QUIET_SECONDS) -> None:
        """Publish the counts that have risen since they were last told, and that rise no more for so long."""
        for event, trailing in list(self._trailing.items()):
            seen, counted, last = trailing
            if monotonic() - last < quiet:
                continue
            try:
                await self._publish(seen, counted)
            except Unavailable as error:
                log.warning("a count is told later", error=str(error))
                return
            if self._trailing.get(event) is trailing:
                del self._trailing[event]

    async def _publish(self, seen: Seen, counted: Counted) -> None:
        with span(SPAN_DETECT, seen.trace, detector=seen.suspicion.detector_name):
            try:
                event = seen.suspicion.event(counted, inject() or seen.trace)
                await self._publisher.publish(event)
            except (ValidationError, BadInput) as error:
                log.error("a suspicion was buried", rule=seen.suspicion.rule, reason=str(error))
                await self._bus.bury(
                    "suspicion",
                    seen.message.data,
                    str(error),
                    seen.message.headers,
                    came_on=seen.message.subject,
                )
                return
        metrics.threat(event)


def _observations(groups: Iterable[Sequence[Seen]]) -> list[Observation]:
    """Return what was seen, whatever it means: the same about the same subject is one, as often as it came."""
    found = []
    for group in groups:
        ordered = sorted(group, key=lambda seen: seen.sighting.at)
        first, last = ordered[0], ordered[-1]
        name = f"{first.message.sequence}:{first.sighting.fingerprint.hex()}"
        at, until = moment(first.sighting.at), moment(last.sighting.at)
        found.append(first.suspicion.observation(name, at=at, until=until, count=len(group)))
    return found
