"""The Orchestrator: threats in, incidents fed, and the judge. It has no rights in any cluster.

A threat is acknowledged to NATS only after Temporal has accepted it: whatever dies in between, it comes again,
and an incident knows what it has seen.
"""

import asyncio
from collections.abc import Sequence

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

import activities.policies
from activities import metrics
from activities.judge import Judging
from activities.judgement import Judgement
from activities.pace import Pace
from signals import fitting
from signals.catalog import load
from signals.errors import FirebreakError, Refused, SettingsInvalid, Undecodable
from signals.subjects import (
    DETECTING,
    EXCEPTIONS,
    ORCHESTRATOR,
    ROUTING_BUCKET,
    service_subject,
    state_bucket,
    threats_stream,
)
from signals.threats import ThreatEvent
from workers import blindness
from workers.agent import BUILD_ID, Agent, Context, until_stopped
from workers.audited import Audited
from workers.bus import REPLAY_OF
from workers.chain import Chains, threat, unseal
from workers.delivery import Message
from workers.expecting import Expecting
from workers.feeding import Arrived, Feeding
from workers.routing import Routing
from workers.vouchers import voucher
from workflows.incident import IncidentWorkflow
from workflows.options import STICKY
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER

BATCH = 200
"""Threats read from a stream at one time."""

log = structlog.get_logger(__name__)


class Reader:
    """Reads one agent's threats, believes them only with proof, and says where it is blind."""

    def __init__(self, context: Context, feeding: Feeding, expecting: Expecting, owner: str) -> None:
        """Read this agent's stream; count what is expected."""
        self._context, self._feeding, self._expecting, self._owner = context, feeding, expecting, owner
        self._chains = Chains()
        self._blind: dict[str, Arrived] = {}

    async def read(self) -> None:
        """Read for ever."""
        stream = self._context.bus.consume(
            threats_stream(self._owner), ORCHESTRATOR, owner=self._owner, batch=BATCH
        )
        async for messages in stream:
            try:
                arrived = await self._prove(messages)
                self._expecting.count(one.event for one in arrived if one.message.deliveries == 1)
                await self._feeding.feed(arrived)
                await self._tell()
            except FirebreakError as error:
                log.warning("a batch of threats comes again", error=str(error))
                for message in messages:
                    if not message.settled:
                        await message.nak(1.0)

    async def _prove(self, messages: Sequence[Message]) -> list[Arrived]:
        """Return what is proved; what is not goes to the dead letters with its reason."""
        owner, cluster = self._owner, self._context.cluster.ref
        arrived: list[Arrived] = []
        for message in messages:
            try:
                envelope = unseal(message, owner, self._context.trust, cluster)
                event = fitting.fitted(threat(envelope, message.accepted_at))
            except (Refused, Undecodable) as error:
                log.error("a threat was refused", stream=owner, sequence=message.sequence, reason=str(error))
                await self._context.bus.bury(
                    f"threats.{owner}", message.data, str(error), message.headers, came_on=message.subject
                )
                self._unseen(blindness.spoken_for(owner, str(error), message, cluster), message)
                await message.ack()
                continue
            # What the operator put back stands later than it was said, and joins nothing.
            gap = None if REPLAY_OF in message.headers else self._chains.follow(envelope, message.sequence)
            if gap:
                log.error("we are blind to something that an agent said", agent=owner, gap=str(gap))
                self._unseen(blindness.missed(gap, message, cluster), message)
            if message.deliveries > 1:
                metrics.redelivery(owner)
            arrived.append(Arrived(event, message))
        return arrived

    def _unseen(self, event: ThreatEvent, message: Message) -> None:
        self._blind.setdefault(event.id, Arrived(event, message))

    async def _tell(self) -> None:
        """Make what we do not see an incident; what cannot be told now is told with the next batch."""
        for name, one in list(self._blind.items()):
            await self._feeding.notice(one)
            del self._blind[name]


async def run(context: Context) -> None:
    """Run workflows, judge, and feed incidents until told to stop."""
    if context.temporal is None:
        raise SettingsInvalid(f"{context.agent} works for Temporal and was given no connection to it")
    expecting = Expecting(context.bus.kv(state_bucket(ORCHESTRATOR)), context.trust, context.cluster.ref)
    await expecting.load()
    await context.bus.serve(service_subject(ORCHESTRATOR, EXCEPTIONS), expecting.answer)
    vouching = await voucher(context.bus.kv(state_bucket(ORCHESTRATOR)))
    pace = Pace()
    judging = Judging(
        load(activities.policies, Judgement),
        context.policy,
        context.signer,
        vouching,
        exceptions=expecting.all,
        pace=pace,
    )
    feeding = Feeding(
        temporal=context.temporal,
        bus=context.bus,
        routing=Routing(context.bus.kv(ROUTING_BUCKET), context.cluster.ref),
        policy=context.policy,
        liaison_key=context.liaison_key,
        voucher=vouching,
        pace=pace,
    )
    async with _worker(context.temporal, context, judging):
        readers = (Reader(context, feeding, expecting, owner) for owner in DETECTING)
        consumers = [asyncio.create_task(reader.read()) for reader in readers]
        context.ready()
        await until_stopped(context, *consumers, asyncio.create_task(expecting.run()))


def _worker(temporal: Client, context: Context, judging: Judging) -> Worker:
    """Return what runs the workflows, and judges."""
    return Worker(
        temporal,
        task_queue=ORCHESTRATOR,
        build_id=BUILD_ID,
        workflows=[IncidentWorkflow, RemediationWorkflow],
        activities=[judging.judge],
        interceptors=[Audited(context.audit)],
        workflow_runner=RUNNER,
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_cached_workflows=2000,
        max_concurrent_workflow_tasks=100,
    )


AGENT = Agent(name=ORCHESTRATOR, run=run)
