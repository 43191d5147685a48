"""What the orchestrator believes of how an incident ended: nothing that keeps it from the next alert."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.pace import Pace
from signals.policy import Policy
from tests.workflows.world import Bucket, World, settled
from workers.bus import Bus
from workers.delivery import Message
from workers.feeding import Arrived, Feeding
from workers.routing import Routing

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]


@workflow.defn(sandboxed=False)
class Liar:
    """Somebody else's workflow: it ends with what it was given."""

    @workflow.run
    async def run(self, said: Any) -> Any:
        return said


class Raw:
    """A message of NATS, as far as it is settled."""

    is_acked = False

    async def ack(self) -> None:
        self.is_acked = True

    async def nak(self, delay: float | None = None) -> None:
        raise AssertionError("it comes again for ever")


@pytest.mark.parametrize("result", ["nonsense", None, {"events": 7}, [1]], ids=str)
async def test_an_incident_that_somebody_ended_with_nonsense_keeps_no_alert_from_the_next(
    world: World, result: Any
) -> None:
    place = await world.place()
    routing = Routing(Bucket(), place.subject.cluster)
    feeding = Feeding(
        temporal=world.client,
        bus=cast(Bus, None),
        routing=routing,
        policy=Policy(),
        liaison_key=world.liaison_key,
        voucher=world.voucher,
        pace=Pace(),
    )
    first, second = world.event(place), world.event(place)
    at = first.observed_at
    ended = (await routing.find(first, at)).incident
    queue = f"liar-{ended}"
    async with Worker(
        world.client, task_queue=queue, workflows=[Liar], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await world.client.execute_workflow(
            "Liar",
            result,
            id=ended,
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            execution_timeout=timedelta(minutes=1),
        )
    message = Message(subject="s", data=b"", headers={}, sequence=1, accepted_at=at, deliveries=1, raw=Raw())
    await asyncio.wait_for(feeding.feed([Arrived(second, message)]), 20)
    assert message.settled
    following = (await routing.find(second, at)).incident
    assert following != ended
    incident = await world.until(world.client.get_workflow_handle(following), settled)
    assert incident.events[0].id == second.id
