"""Turns feed messages into threat events, and acknowledges them once what they mean is published."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import structlog
from pydantic import ValidationError

from activities import metrics
from activities.tracing import inject, span
from signals.detector import Detection
from signals.errors import BadInput, Unavailable, Undecodable
from signals.subjects import RUNTIME_GUARDIAN, SPAN_DETECT
from signals.telemetry.falco import Alert
from workers import feed
from workers.attribution import Attributing, name_key
from workers.bus import Bus
from workers.chain import ThreatPublisher
from workers.counting import Counted, Counting, Sighting, fingerprint
from workers.delivery import Message
from workers.intake import AT_ONCE
from workers.pod_index import PodIndex
from workers.suspicion import Suspicion, peer_of

SETTLE_SECONDS = 0.3
"""How long an alert about an unknown pod waits for the watch to catch up."""
UNKNOWN_LIMIT = 1000
"""Names of unknown pods that are remembered, so that no alert waits for them again."""
AGAIN_SECONDS = 1.0
"""When a message that could not be handled comes again."""
QUIET_SECONDS = 1.5
"""How long after its last alert the count of a flood is told to its end: a flood that goes on stays few events."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One alert of the feed, understood, with what it takes to count it and to tell it."""

    suspicion: Suspicion
    sighting: Sighting
    message: Message
    trace: dict[str, str]

    @property
    def again(self) -> bool:
        """Whether its message was delivered before, so that what it means may not be published yet."""
        return self.message.deliveries > 1


class Guarding:
    """Turns feed messages into threat events."""

    def __init__(
        self,
        *,
        detection: Detection,
        index: PodIndex,
        counting: Counting,
        publisher: ThreatPublisher,
        bus: Bus,
    ) -> None:
        """Detect with this catalogue, attribute by this index, count in this bucket."""
        self._detection = detection
        self._index = index
        self._attributing = Attributing(index.cluster, index)
        self._counting = counting
        self._publisher = publisher
        self._bus = bus
        self._unknown: dict[tuple[str, str], None] = {}
        self._trailing: dict[str, tuple[Seen, Counted, float]] = {}
        self.at_work = asyncio.Lock()
        """Held while messages are in hand."""

    async def handle(self, messages: Sequence[Message]) -> None:
        """Publish what these messages mean, then acknowledge them; what fails comes again."""
        async with self.at_work:
            await self._handle(messages)

    async def _handle(self, messages: Sequence[Message]) -> None:
        batches = [(message, await self._decoded(message)) for message in messages]
        await self._settle([record.alert for _, records in batches for record in records])
        groups: defaultdict[str, list[Seen]] = defaultdict(list)
        for message, records in batches:
            for position, record in enumerate(records):
                if position % AT_ONCE == 0:
                    await asyncio.sleep(0)
                seen = self._see(message, position, record)
                groups[seen.suspicion.key].append(seen)
        outcomes = await asyncio.gather(*(self._tell(key, group) for key, group in groups.items()))
        failed = {sequence for outcome in outcomes for sequence in outcome}
        for message in messages:
            if message.sequence in failed:
                await message.nak(AGAIN_SECONDS)
            else:
                await message.ack()

    async def _decoded(self, message: Message) -> tuple[feed.Record, ...]:
        if message.deliveries > 1:
            metrics.redelivery(RUNTIME_GUARDIAN)
        try:
            return feed.decode(message.data)
        except Undecodable as error:
            log.error("a feed message was buried", sequence=message.sequence, reason=str(error))
            await self._bus.bury("feed", message.data, str(error), message.headers)
            return ()

    async def _settle(self, alerts: Sequence[Alert]) -> None:
        """Give the watch a moment where alerts name pods that it does not show; once for each name."""
        named = {name for alert in alerts if (name := name_key(alert))}
        await self._index.settle_modes({namespace for namespace, _ in named}, SETTLE_SECONDS)
        named = {name for name in named if not self._index.by_name(name)}
        waiting = named - self._unknown.keys()
        await asyncio.gather(*(self._index.settle(name, SETTLE_SECONDS) for name in waiting))
        self._unknown.update(dict.fromkeys(name for name in waiting if not self._index.by_name(name)))
        while len(self._unknown) > UNKNOWN_LIMIT:
            del self._unknown[next(iter(self._unknown))]

    def _see(self, message: Message, position: int, record: feed.Record) -> Seen:
        alert = record.alert
        detector = self._detection.suspect(alert)
        attribution = self._attributing.find(alert, about_node=detector.about_node)
        suspicion = Suspicion(
            cluster=self._index.cluster,
            alert=alert,
            detector=detector,
            attribution=attribution,
            peer=peer_of(detector, alert, attribution, self._index),
            accepted_at=message.accepted_at,
        )
        at = alert.time or int(message.accepted_at.timestamp()) * 10**9
        return Seen(
            suspicion=suspicion,
            sighting=Sighting(at, fingerprint(alert, message.sequence, position)),
            message=message,
            trace=record.trace,
        )

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
        with span(SPAN_DETECT, seen.trace, detector=seen.suspicion.detector.name):
            try:
                event = seen.suspicion.event(counted, inject() or seen.trace)
                await self._publisher.publish(event)
            except (ValidationError, BadInput) as error:
                log.error("a suspicion was buried", rule=seen.suspicion.alert.rule, reason=str(error))
                await self._bus.bury("suspicion", seen.message.data, str(error), seen.message.headers)
                return
        metrics.threat(event)
