"""The executor hears people by itself: a stop, a resume, and a no."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import activities.actions
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.applying import Applying
from activities.gated import Gated
from activities.orders import Orders, Stopped
from activities.ports import COMMANDS, NAMESPACES, NETWORK_POLICIES, PODS, Cluster, Manifest
from activities.records import Records
from activities.ruling import WRITE, Ruling
from activities.upkeep import Upkeep
from signals.approvals import Verb
from signals.catalog import load
from signals.errors import Conflict
from signals.plans import ActionPlan, ObjectRef
from signals.receipts import ActionState, Receipt
from signals.requests import Disposition
from signals.subjects import NAMESPACE, ORDER
from tests.activities.test_applying import CLUSTER, decide, place
from tests.workflows.world import Bucket

ACTIONS = load(activities.actions, Action)


async def say(cluster: Cluster, verb: Verb, actor: str, **spec: Any) -> str:
    """Create a Command; return its UID."""
    name = f"{verb}-{uuid.uuid4().hex[:8]}"
    said = {"verb": str(verb), "actor": actor, **spec}
    manifest = {"kind": "Command", "metadata": {"labels": {ORDER: str(verb)}}, "spec": said}
    with suppress(Conflict):
        await cluster.create(NAMESPACES.ref(NAMESPACE), {"kind": "Namespace", "metadata": {}})
    made = await cluster.create(COMMANDS.ref(name, NAMESPACE), manifest)
    return str(made["metadata"]["uid"])


async def test_a_stop_holds_from_the_moment_that_the_api_server_has_it_until_two_resume() -> None:
    cluster, orders = MemoryCluster(CLUSTER), Orders()
    rulings = {"a": WRITE, "b": Ruling(disposition=Disposition.SHADOW)}
    await orders.refresh(cluster)
    assert orders.postponed(rulings) == rulings
    uid = await say(cluster, Verb.STOP, "ann", reason="enough")
    await orders.refresh(cluster)
    stopped = orders.postponed(rulings)
    assert (stopped["a"].disposition, stopped["b"].disposition) == (Disposition.POSTPONED, Disposition.SHADOW)
    assert "ann: enough" in stopped["a"].reason
    with pytest.raises(Stopped):
        orders.check()
    for actor in ("ann", "ann", "bob"):
        assert orders.standing
        await say(cluster, Verb.RESUME, actor, stop=uid)
        await orders.refresh(cluster)
    orders.check()


async def test_who_deletes_the_command_takes_no_stop_back_and_a_restart_forgets_none() -> None:
    cluster, bucket = MemoryCluster(CLUSTER), Bucket()
    orders = Orders(bucket)
    await say(cluster, Verb.STOP, "ann")
    await orders.refresh(cluster)
    await orders.keep()
    for command in await cluster.list(COMMANDS, NAMESPACE):
        await cluster.delete(COMMANDS.ref(command["metadata"]["name"], NAMESPACE))
    await orders.refresh(cluster)
    assert orders.standing
    after = Orders(bucket)
    await after.load()
    await after.refresh(cluster)
    assert after.standing == orders.standing


async def test_incidents_that_wait_for_the_resume_are_remembered_once() -> None:
    orders = Orders(Bucket())
    for incident in ("one", "two", "one"):
        await orders.postpone(incident)
    assert await orders.waiting() == ("one", "two")
    await orders.told(("one",))
    assert await orders.waiting() == ("two",)


class Halting(MemoryCluster):
    """A memory cluster in which somebody says stop right after our first write."""

    orders: Orders

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        made = await super().create(ref, manifest, dry_run=dry_run)
        if ref.resource == "networkpolicies" and not dry_run and ref.name != "theirs":
            await say(self, Verb.STOP, "ann")
            await self.orders.refresh(self)
        return made


async def test_a_stop_in_the_middle_of_a_containment_keeps_what_is_written_and_the_resume_completes_it() -> (
    None
):
    cluster, orders, records = Halting(CLUSTER), Orders(), Records(Bucket())
    cluster.orders = orders

    def now() -> datetime:
        return datetime.now(UTC)

    applying = Applying(ACTIONS, Gated(cluster, orders), records, now)
    target = await place(cluster)
    decision = decide(target)
    plan = await applying.plan(decision, {}, "d")

    async def may(_: Receipt, __: ActionPlan) -> Ruling:
        return WRITE

    (receipt,) = await applying.write(decision, plan, {}, {}, may)
    assert (receipt.state, receipt.halted) == (ActionState.INEFFECTIVE, True)
    assert len(await cluster.list(NETWORK_POLICIES, "shop")) == 2
    pod = await cluster.get(PODS.ref("web", "shop"))
    assert pod["metadata"]["labels"] == {"app": "web"}

    upkeep = Upkeep(ACTIONS, cluster, records, now, orders)
    assert await upkeep.held(receipt) == (receipt, [])
    stop = orders.standing
    assert stop
    for actor in ("ann", "bob"):
        await say(cluster, Verb.RESUME, actor, stop=stop.uid)
    await orders.refresh(cluster)
    held, notes = await upkeep.held(receipt)
    assert notes
    assert not held.halted
    pod = await cluster.get(PODS.ref("web", "shop"))
    assert set(pod["metadata"]["labels"]) > {"app"}
    undone = await upkeep.reverted(held, [], force=False)
    assert undone.state is ActionState.REVERTED


def no(verb: Verb, at: datetime, incident: str = "case-1") -> Manifest:
    """Return a Command in which somebody says no."""
    metadata = {"uid": uuid.uuid4().hex, "creationTimestamp": at.isoformat()}
    return {"metadata": metadata, "spec": {"verb": str(verb), "actor": "ann", "incident": incident}}


def test_the_last_no_counts_in_whatever_order_it_is_heard() -> None:
    now = datetime.now(UTC)
    said: Sequence[Manifest] = [no(Verb.UNDO, now), no(Verb.REJECT, now - timedelta(hours=1))]
    for order in (said, said[::-1]):
        orders = Orders()
        for command in order:
            orders.hear(command)
        last = orders.last_no("case-1")
        assert last
        assert last.verb is Verb.UNDO
        assert orders.last_no("case-2") is None
