"""The Runtime Guardian: takes Falco's alerts in and says what is suspicious. It has no access to Temporal.

An alert is durable before its sender hears yes; it is acknowledged in the feed only after what it means is
published. Whatever dies in between, it comes again, and nothing is said twice.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from activities import metrics
from activities.tracing import inject, span
from signals.catalog import load
from signals.detector import Detection, Detector
from signals.detectors import runtime
from signals.errors import BadInput, FirebreakError, Unavailable, Undecodable
from signals.subjects import RUNTIME_GUARDIAN, SPAN_DETECT, feed_stream, state_bucket
from signals.telemetry.falco import Alert
from workers import feed
from workers.agent import Agent, Context
from workers.attribution import Attributing, name_key
from workers.bus import Bus
from workers.chain import ThreatPublisher
from workers.counting import Counted, Counting, Sighting, fingerprint
from workers.delivery import Message
from workers.intake import AT_ONCE, Intake
from workers.pod_index import PodIndex
from workers.receiver import Receiver
from workers.suspicion import Suspicion, peer_of

SIDEKICK = "falco.>"
"""Subjects on which falcosidekick publishes, on core NATS: stored by nobody but us."""
BATCH = 50
"""Feed messages in hand at one time; each may hold many requests."""
SETTLE_SECONDS = 0.3
"""How long an alert about an unknown pod waits for the watch to catch up."""
AGAIN_SECONDS = 1.0
"""When a message that could not be handled comes again."""
UNKNOWN_LIMIT = 1000
"""Names of unknown pods that are remembered, so that no alert waits for them again."""
STORE_TRIES = 5
"""How often an alert that came over core NATS is stored again before it is given up, and that is logged."""

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
        named = {name for alert in alerts if (name := name_key(alert)) and not self._index.by_name(name)}
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
                    await self._publish(members[-1], counted)
                left = left[counted.taken :]
        except Unavailable as error:
            log.warning("a suspicion comes again", error=str(error))
        return {seen.message.sequence for seen in left}

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


async def _consume(context: Context, guarding: Guarding) -> None:
    stream = context.bus.consume(feed_stream(RUNTIME_GUARDIAN), RUNTIME_GUARDIAN, batch=BATCH)
    async for messages in stream:
        try:
            await guarding.handle(messages)
        except FirebreakError as error:
            log.warning("a batch of alerts comes again", error=str(error))


async def _overhear(context: Context, intake: Intake) -> None:
    """Take what falcosidekick publishes on core NATS: it does not wait for an answer, so we try for it."""

    async def heard(subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        for _ in range(STORE_TRIES):
            try:
                await intake.accept(payload, subject, headers)
                return
            except Unavailable as error:
                log.warning("an alert on core NATS is not stored yet", subject=subject, error=str(error))
        log.error("an alert on core NATS was lost: it could not be stored", subject=subject)
        metrics.alert(feed.FALCO, "lost")

    await context.bus.subscribe(SIDEKICK, RUNTIME_GUARDIAN, heard)


async def run(context: Context) -> None:
    """Receive, detect and publish until told to stop."""
    index = PodIndex(context.cluster.ref)
    counting = Counting(context.bus.kv(state_bucket(RUNTIME_GUARDIAN)))
    guarding = Guarding(
        detection=Detection(load(runtime, Detector).values()),
        index=index,
        counting=counting,
        publisher=ThreatPublisher(context.bus, context.signer, context.cluster.ref, context.settings.replica),
        bus=context.bus,
    )
    intake = Intake(context.bus)
    async with Receiver(context.settings, intake), asyncio.TaskGroup() as group:
        await _overhear(context, intake)
        background = [group.create_task(index.follow(context.cluster)), group.create_task(_sweep(counting))]
        background.append(group.create_task(_guard(context, index, guarding)))
        await context.stopping.wait()
        async with guarding.at_work:
            for task in background:
                task.cancel()


async def _guard(context: Context, index: PodIndex, guarding: Guarding) -> None:
    """Consume once the index is complete: no pod is unknown only because we are new."""
    await index.synced()
    context.ready()
    await _consume(context, guarding)


async def _sweep(counting: Counting) -> None:
    while True:
        try:
            await counting.sweep()
        except Unavailable as error:
            log.warning("old counts are deleted later", error=str(error))
        await asyncio.sleep(AGAIN_SECONDS)


AGENT = Agent(name=RUNTIME_GUARDIAN, run=run, uses_temporal=False)
