"""The Runtime Guardian: takes Falco's alerts in and says what is suspicious. It has no access to Temporal.

An alert is durable before its sender hears yes; it is acknowledged in the feed only after what it means is
published. Whatever dies in between, it comes again, and nothing is said twice.
"""

import asyncio
from collections.abc import Mapping

import structlog

from activities import metrics
from signals.catalog import load
from signals.detector import Detection, Detector
from signals.detectors import runtime
from signals.errors import FirebreakError, Unavailable
from signals.subjects import RUNTIME_GUARDIAN, feed_stream, state_bucket
from workers import feed
from workers.agent import Agent, Context
from workers.chain import ThreatPublisher
from workers.counting import Counting
from workers.guarding import AGAIN_SECONDS, Guarding
from workers.intake import Intake
from workers.pod_index import PodIndex
from workers.receiver import Receiver

SIDEKICK = "falco.>"
"""Subjects on which falcosidekick publishes, on core NATS: stored by nobody but us."""
BATCH = 50
"""Feed messages in hand at one time; each may hold many requests."""
TRAIL_SECONDS = 0.5
"""How often it is looked whether a flood has come to its end."""
STORE_TRIES = 5
"""How often an alert that came over core NATS is stored again before it is given up, and that is logged."""

log = structlog.get_logger(__name__)


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
        background.append(group.create_task(_trail(guarding)))
        await context.stopping.wait()
        async with guarding.at_work:
            for task in background:
                task.cancel()
            await guarding.tell_trailing(0)


async def _guard(context: Context, index: PodIndex, guarding: Guarding) -> None:
    """Consume once the index is complete: no pod is unknown only because we are new."""
    await index.synced()
    context.ready()
    await _consume(context, guarding)


async def _trail(guarding: Guarding) -> None:
    while True:
        await asyncio.sleep(TRAIL_SECONDS)
        await guarding.tell_trailing()


async def _sweep(counting: Counting) -> None:
    while True:
        try:
            await counting.sweep()
        except Unavailable as error:
            log.warning("old counts are deleted later", error=str(error))
        await asyncio.sleep(AGAIN_SECONDS)


AGENT = Agent(name=RUNTIME_GUARDIAN, run=run, uses_temporal=False)
