"""The executor answers what people say to it itself, whatever became of the Command of somebody else."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.memory import MemoryCluster
from activities.in_force import Standing
from activities.orders import Orders
from activities.ports import COMMANDS, Change
from signals.approvals import Verb
from signals.policy import Policy
from signals.subjects import NAMESPACE
from tests.activities.test_applying import CLUSTER
from tests.activities.test_orders import say
from tests.workflows.world import Bucket
from workers.heeding import AGAIN_SECONDS, Heeding


class Deaf:
    """A Temporal in which one workflow takes no signals."""

    def __init__(self, deaf: str) -> None:
        self._deaf = deaf
        self.told: list[str] = []

    def get_workflow_handle(self, workflow_id: str) -> "Deaf":
        self._now = workflow_id
        return self

    async def signal(self, *_: Any) -> None:
        if self._now == self._deaf:
            raise RPCError("too many signals", RPCStatusCode.INVALID_ARGUMENT, b"")
        self.told.append(self._now)


NOBODY = cast(Client, None)
LOOSER = Policy.model_validate({"caps": {"per_cluster": 99}})


class Late(MemoryCluster):
    """A cluster in which the first stop is deleted before its watchers hear of it."""

    async def watch(self, *_: Any) -> Any:
        commands = sorted(await self.list(COMMANDS, NAMESPACE), key=lambda one: str(one["spec"]["actor"]))
        await self.delete(COMMANDS.ref(commands[0]["metadata"]["name"], NAMESPACE))
        for command in commands:
            yield Change("ADDED", command)


async def answers(cluster: MemoryCluster) -> dict[str, bool | None]:
    found = await cluster.list(COMMANDS, NAMESPACE)
    return {one["spec"]["actor"]: (one.get("status") or {}).get("accepted") for one in found}


async def test_a_command_that_was_deleted_keeps_no_other_from_its_answer() -> None:
    cluster, orders = Late(CLUSTER), Orders()
    await say(cluster, Verb.STOP, "ann")
    await say(cluster, Verb.STOP, "bob")
    await Heeding(cluster, orders, NOBODY).listen()
    assert orders.standing
    assert len(orders.halt.stops) == 2
    assert await answers(cluster) == {"bob": True}


async def test_an_approval_that_was_answered_with_no_loosens_nothing_later() -> None:
    cluster, orders = Late(CLUSTER), Orders()
    pair = {"fromPolicy": Policy().digest, "toPolicy": LOOSER.digest}
    await say(cluster, Verb.STOP, "ann")
    await say(cluster, Verb.APPROVE_POLICY, "eve", role="lead", **pair)
    heeding = Heeding(cluster, orders, NOBODY)
    heeding.policy = Standing(Policy())
    await heeding.listen()
    assert await answers(cluster) == {"eve": False}
    await orders.refresh(cluster)
    assert not Standing(Policy(), LOOSER).approved_by(orders.approved_policies)


async def test_an_approval_that_took_effect_while_the_executor_was_away_is_not_denied() -> None:
    cluster, orders = Late(CLUSTER), Orders()
    await say(cluster, Verb.STOP, "ann")
    pair = {"fromPolicy": Policy().digest, "toPolicy": LOOSER.digest}
    await say(cluster, Verb.APPROVE_POLICY, "eve", role="lead", **pair)
    heeding = Heeding(cluster, orders, NOBODY)
    heeding.policy = Standing(LOOSER)
    await heeding.listen()
    assert await answers(cluster) == {"eve": True}


async def test_one_incident_that_cannot_be_told_of_the_resume_keeps_no_other_one_waiting() -> None:
    orders, temporal = Orders(Bucket()), Deaf("two")
    for incident in ("one", "two", "three"):
        await orders.postpone(incident)
    heeding = Heeding(MemoryCluster(CLUSTER), orders, cast(Client, temporal))
    with suppress(TimeoutError):
        await asyncio.wait_for(heeding.carry_on(), 2.5 * AGAIN_SECONDS)
    told = ["one", "one/remediation", "two/remediation", "three", "three/remediation"]
    assert temporal.told == told, "each once"
    assert await orders.waiting() == ()
