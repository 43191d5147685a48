"""Feeds incidents: each threat goes to its own, and is acknowledged once Temporal has accepted it.

What Temporal will never take (too large, not valid) is cut into smaller signals, and what is left of it is buried
with its reason: it would come again for ever, and stand in the way of the rest.
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
from temporalio.service import RPCError, RPCStatusCode

from activities import metrics
from activities.metrics import Stage
from activities.pace import Pace
from activities.phases import every
from activities.tracing import span
from signals import story
from signals.display import markdown
from signals.errors import Unavailable
from signals.policy import Policy
from signals.requests import Batch, Closed, FalseAlarm, IncidentInput
from signals.subjects import INCIDENT_WORKFLOW, ORCHESTRATOR, SPAN_CORRELATE
from signals.threats import ThreatEvent
from signals.vouching import Voucher
from workers.bus import Bus
from workers.delivery import Message
from workers.routing import Routing, Way, apart
from workflows import visibility
from workflows.options import TASK_TIMEOUT

AT_ONCE = 50
"""Incidents that are fed at one time."""
IN_ONE_SIGNAL = 100
"""Threats in one signal: Temporal takes 2 MiB at most, and one threat is a few KiB."""
RESULT_SECONDS = 10.0
"""How long the result of an incident that has closed may take."""
NEVER = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.OUT_OF_RANGE, RPCStatusCode.UNIMPLEMENTED})
"""What Temporal answers to a request that no repetition can mend."""
TOO_LARGE = "larger than max"
"""What gRPC says of a message that is too large, under the code that also says “slow down”."""

log = structlog.get_logger(__name__)


def permanent(error: RPCError) -> bool:
    """Return whether the same request can never succeed.

    A namespace that is not there is none of these: somebody can make it, and nothing may be lost until then.
    """
    return error.status in NEVER or (
        error.status is RPCStatusCode.RESOURCE_EXHAUSTED and TOO_LARGE in str(error)
    )


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
        voucher: Voucher,
        pace: Pace,
    ) -> None:
        """Feed incidents in this Temporal by this routing table, and tell the judge how many."""
        self._temporal = temporal
        self._bus = bus
        self._routing = routing
        self._policy = policy
        self._liaison_key = liaison_key
        self._voucher = voucher
        self._pace = pace
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def feed(self, arrived: Sequence[Arrived]) -> None:
        """Route a batch, feed each incident once, and acknowledge what Temporal has accepted."""
        ways: dict[int, Way] = {}

        async def find(places: list[int]) -> None:
            async with self._slots:
                for place in places:
                    one = arrived[place]
                    ways[place] = await self._routing.find(one.event, one.message.accepted_at)
                    self._pace.fed(ways[place].incident, datetime.now(UTC))

        await every(find(places) for places in apart([one.event for one in arrived]))
        groups: dict[str, list[Arrived]] = defaultdict(list)
        links: dict[str, set[str]] = defaultdict(set)
        for place, one in enumerate(arrived):
            groups[ways[place].incident].append(one)
            links[ways[place].incident] |= set(ways[place].links)
        await asyncio.gather(
            *(
                self._feed_one(incident, group, tuple(sorted(links[incident])))
                for incident, group in groups.items()
            )
        )

    async def notice(self, one: Arrived) -> None:
        """Feed one event that is about a message and not its content; the message is settled by whoever reads it.

        Raises:
            Unavailable: Temporal did not take it.
        """
        way = await self._routing.find(one.event, one.message.accepted_at)
        try:
            await self._signal(way.incident, [one], tuple(way.links))
        except RPCError as error:
            raise Unavailable(f"Temporal does not answer: {error}") from error

    async def _feed_one(self, incident: str, group: list[Arrived], links: tuple[str, ...]) -> None:
        """Feed one incident, in signals that Temporal takes."""
        async with self._slots:
            with span(SPAN_CORRELATE, group[0].event.trace, incident=incident):
                for first in range(0, len(group), IN_ONE_SIGNAL):
                    await self._settle(incident, group[first : first + IN_ONE_SIGNAL], links)

    async def _settle(self, incident: str, group: list[Arrived], links: tuple[str, ...]) -> None:
        """Send a signal and acknowledge what was in it; if that fails, its messages come again, and only they."""
        try:
            await self._signal(incident, group, links)
        except (RPCError, Unavailable) as error:
            if isinstance(error, RPCError) and permanent(error):
                await self._lessen(incident, group, links, str(error))
                return
            log.warning(
                "an incident was not fed; its threats come again", incident=incident, error=str(error)
            )
            for one in group:
                await one.message.nak(1.0)
            return
        for one in group:
            await one.message.ack()
            metrics.stage(Stage.ALERT_TO_SIGNAL, one.event.observed_at, datetime.now(UTC))

    async def _lessen(self, incident: str, group: list[Arrived], links: tuple[str, ...], reason: str) -> None:
        """Send the two halves of what Temporal will never take, and bury what has none, with its reason."""
        half = len(group) // 2
        if half:
            for part in (group[:half], group[half:]):
                await self._settle(incident, part, links)
            return
        (one,) = group
        log.error("Temporal will never take a threat; it is buried", incident=incident, reason=reason)
        source = f"threats.{one.event.agent}"
        await self._bus.bury(
            source, one.message.data, f"Temporal: {reason}", one.message.headers, came_on=one.message.subject
        )
        await one.message.ack()

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
        """Return how a closed incident ended; one that was terminated has nothing to say.

        Whoever reaches Temporal can end a workflow of that name with any result, or open it again meanwhile.

        Raises:
            Unavailable: it has not ended any more.
        """
        try:
            async with asyncio.timeout(RESULT_SECONDS):
                said = await self._temporal.get_workflow_handle(incident).result()
            return Closed.model_validate(said)
        except TimeoutError as error:
            raise Unavailable(f"{incident} has closed, and does not say how") from error
        except (WorkflowFailureError, ValueError, TypeError, RuntimeError) as error:
            log.warning("an incident was ended from outside", incident=incident, error=str(error))
            return Closed(events=(), reason="ended from outside")

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
        events = tuple(self._voucher.vouched(one.event, incident) for one in group)
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
            static_details=story.beginning(incident),
        )
