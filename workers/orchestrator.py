"""The Orchestrator: threats in, incidents fed, and the judge. It has no rights in any cluster.

A threat is acknowledged to NATS only after Temporal has accepted it: whatever dies in between, it comes again,
and an incident knows what it has seen.
"""

import asyncio
from collections.abc import Sequence

import structlog
from temporalio.worker import Worker

import activities.policies
from activities import metrics
from activities.judge import Judging
from activities.judgement import Judgement
from signals.catalog import load
from signals.errors import FirebreakError, Refused, SettingsInvalid, Undecodable
from signals.subjects import (
    DETECTING,
    ORCHESTRATOR,
    ROUTING_BUCKET,
    threats_stream,
)
from workers.agent import BUILD_ID, Agent, Context, until_stopped
from workers.audited import Audited
from workers.chain import Chains, threat, unseal
from workers.delivery import Message
from workers.feeding import Arrived, Feeding
from workers.routing import Routing
from workflows.incident import IncidentWorkflow
from workflows.options import STICKY
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER

BATCH = 200
"""Threats read from a stream at one time."""

log = structlog.get_logger(__name__)


async def _prove(context: Context, owner: str, messages: Sequence[Message], chains: Chains) -> list[Arrived]:
    """Return what is proved; what is not goes to the dead letters with its reason."""
    arrived: list[Arrived] = []
    for message in messages:
        try:
            envelope = unseal(message, owner, context.trust, context.cluster.ref)
            event = threat(envelope, message.accepted_at)
        except (Refused, Undecodable) as error:
            log.error("a threat was refused", stream=owner, sequence=message.sequence, reason=str(error))
            await context.bus.bury(f"threats.{owner}", message.data, str(error), message.headers)
            await message.ack()
            continue
        gap = chains.follow(envelope, message.sequence)
        if gap:
            log.error("we are blind to something that an agent said", agent=owner, gap=str(gap))
        if message.deliveries > 1:
            metrics.redelivery(owner)
        arrived.append(Arrived(event, message))
    return arrived


async def _consume(context: Context, feeding: Feeding, owner: str) -> None:
    chains = Chains()
    stream = context.bus.consume(threats_stream(owner), ORCHESTRATOR, owner=owner, batch=BATCH)
    async for messages in stream:
        try:
            await feeding.feed(await _prove(context, owner, messages, chains))
        except FirebreakError as error:
            log.warning("a batch of threats comes again", error=str(error))
            for message in messages:
                await message.nak(1.0)


async def run(context: Context) -> None:
    """Run workflows, judge, and feed incidents until told to stop."""
    if context.temporal is None:
        raise SettingsInvalid(f"{context.agent} works for Temporal and was given no connection to it")
    judging = Judging(load(activities.policies, Judgement), context.policy, context.signer)
    feeding = Feeding(
        temporal=context.temporal,
        bus=context.bus,
        routing=Routing(context.bus.kv(ROUTING_BUCKET), context.cluster.ref),
        policy=context.policy,
        liaison_key=context.liaison_key,
        signer=context.signer,
    )
    worker = Worker(
        context.temporal,
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
    async with worker:
        consumers = [asyncio.create_task(_consume(context, feeding, owner)) for owner in DETECTING]
        context.ready()
        await until_stopped(context, *consumers)


AGENT = Agent(name=ORCHESTRATOR, run=run)
