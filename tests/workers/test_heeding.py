"""The executor answers what people say to it itself, whatever became of the Command of somebody else."""

from typing import Any, cast

from temporalio.client import Client

from activities.adapters.memory import MemoryCluster
from activities.in_force import Standing
from activities.orders import Orders
from activities.ports import COMMANDS, Change
from signals.approvals import Verb
from signals.policy import Policy
from signals.subjects import NAMESPACE
from tests.activities.test_applying import CLUSTER
from tests.activities.test_orders import say
from workers.heeding import Heeding

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
