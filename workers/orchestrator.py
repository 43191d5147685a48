"""The Orchestrator: threats in, incidents fed, and the judge. It has no rights in any cluster.

A threat is acknowledged to NATS only after Temporal has accepted it: whatever dies in between, it comes again,
and an incident knows what it has seen.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError
from temporalio.worker import Worker

import activities.policies
from activities import metrics
from activities.judge import Judging
from activities.judgement import Judgement
from activities.metrics import Stage
from activities.tracing import span
from signals.catalog import load
from signals.display import markdown
from signals.envelope import Signer
from signals.errors import FirebreakError, Refused, SettingsInvalid, Unavailable, Undecodable
from signals.policy import Policy
from signals.requests import Batch, Closed, FalseAlarm, IncidentInput
from signals.subjects import (
    DETECTING,
    INCIDENT_WORKFLOW,
    ORCHESTRATOR,
    ROUTING_BUCKET,
    SPAN_CORRELATE,
    threats_stream,
)
from signals.threats import ThreatEvent
from signals.vouching import vouched
from workers.agent import BUILD_ID, Agent, Context, until_stopped
from workers.audited import Audited
from workers.bus import Bus
from workers.chain import Chains, threat, unseal
from workers.delivery import Message
from workers.routing import Routing
from workflows import visibility
from workflows.incident import IncidentWorkflow
from workflows.options import STICKY, TASK_TIMEOUT
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER

BATCH = 200
"""Threats read from a stream at one time."""
AT_ONCE = 50
"""Incidents that are fed at one time."""
IN_ONE_SIGNAL = 100
"""Threats in one signal: Temporal takes 2 MiB at most, and one threat is a few KiB."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Arrived:
    """One threat, proved, with the message to acknowledge."""

    event: ThreatEvent
    message: Message


class Feeding:
    """Turns what detecting agents publish into incidents."""

    def __init__(
        self,
        *,
        temporal: Client,
        bus: Bus,
        routing: Routing,
        policy: Policy,
        liaison_key: str,
        signer: Signer,
    ) -> None:
        """Feed incidents in this Temporal by this routing table."""
        self._temporal = temporal
        self._bus = bus
        self._routing = routing
        self._policy = policy
        self._liaison_key = liaison_key
        self._signer = signer
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def feed(self, arrived: Sequence[Arrived]) -> None:
        """Route a batch, feed each incident once, and acknowledge what Temporal has accepted."""
        groups: dict[str, list[Arrived]] = defaultdict(list)
        links: dict[str, set[str]] = defaultdict(set)
        for one in arrived:
            way = await self._routing.find(one.event, one.message.accepted_at)
            groups[way.incident].append(one)
            links[way.incident] |= set(way.links)
        await asyncio.gather(
            *(
                self._feed_one(incident, group, tuple(sorted(links[incident])))
                for incident, group in groups.items()
            )
        )

    async def _feed_one(self, incident: str, group: list[Arrived], links: tuple[str, ...]) -> None:
        """Feed one incident; if that fails, its messages come again, and only they."""
        async with self._slots:
            try:
                with span(SPAN_CORRELATE, group[0].event.trace, incident=incident):
                    for first in range(0, len(group), IN_ONE_SIGNAL):
                        await self._signal(incident, group[first : first + IN_ONE_SIGNAL], links)
            except (RPCError, Unavailable) as error:
                log.warning(
                    "an incident could not be fed; its threats come again",
                    incident=incident,
                    error=str(error),
                )
                for one in group:
                    await one.message.nak(1.0)
                return
        for one in group:
            await one.message.ack()
            metrics.stage(Stage.ALERT_TO_SIGNAL, one.event.observed_at, datetime.now(UTC))

    async def _signal(self, incident: str, group: list[Arrived], links: tuple[str, ...]) -> None:
        left: list[tuple[str, list[Arrived], str, tuple[FalseAlarm, ...]]] = [(incident, group, "", ())]
        while left:
            incident, group, closed, false_alarms = left.pop()
            try:
                await self._signal_with_start(incident, group, links, closed, false_alarms)
            except WorkflowAlreadyStartedError:
                result = await self._closed(incident)
                fresh = [one for one in group if one.event.id not in result.events]
                reopened = await self._reopen(incident, fresh)
                left += [(name, part, incident, result.false_alarms) for name, part in reopened.items()]
                continue
            for one in group:
                await self._routing.join(one.event, incident, one.message.accepted_at, instead_of=closed)

    async def _reopen(self, closed: str, group: list[Arrived]) -> dict[str, list[Arrived]]:
        """Return what follows a closed incident: one, unless another replica was faster for some subject."""
        parts: dict[str, list[Arrived]] = defaultdict(list)
        for one in group:
            into = next(iter(parts), "")
            name = await self._routing.reopen(one.event, closed, one.message.accepted_at, into)
            parts[name].append(one)
        return parts

    async def _closed(self, incident: str) -> Closed:
        """Return how a closed incident ended; one that was terminated has nothing to say."""
        try:
            result: Closed = await self._temporal.get_workflow_handle(incident, result_type=Closed).result()
        except WorkflowFailureError:
            return Closed(events=(), reason="ended from outside")
        return result

    async def _signal_with_start(
        self,
        incident: str,
        group: list[Arrived],
        links: tuple[str, ...],
        reopens: str,
        false_alarms: tuple[FalseAlarm, ...],
    ) -> None:
        event = group[0].event
        memo, attributes = visibility.first_sight(incident, event)
        events = tuple(vouched(one.event, incident, self._signer) for one in group)
        batch = Batch(events=events, links=links)
        await self._temporal.start_workflow(
            INCIDENT_WORKFLOW,
            IncidentInput(
                incident=incident,
                cluster=event.cluster,
                liaison_key=self._liaison_key,
                approval_seconds=self._policy.approval_seconds,
                false_alarm_seconds=self._policy.false_alarm_seconds,
                extensions=self._policy.extensions,
                quiet_seconds=self._policy.quiet_seconds,
                reopens=reopens or None,
                false_alarms=false_alarms,
            ),
            id=incident,
            task_queue=ORCHESTRATOR,
            start_signal="events",
            start_signal_args=[batch.model_dump(mode="json")],
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=TASK_TIMEOUT,
            memo=memo,
            search_attributes=attributes,
            static_summary=markdown(event.title, 120),  # Temporal's UI renders it
        )


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
