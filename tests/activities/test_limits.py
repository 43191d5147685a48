"""Caps and breakers as an attacker would spend them: at once, again, from elsewhere, and by replicas."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.adapters.memory import MemoryCluster
from activities.breaker import Breaker
from activities.caps import Caps
from activities.limits import Limit
from activities.ports import NAMESPACES, PODS, Entry, Manifest
from activities.records import Records
from signals.decisions import Inverse
from signals.entities import ClusterRef
from signals.plans import ActionPlan
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from tests.activities.acting import action, entity, receipt
from tests.workflows.world import Bucket

CLUSTER = ClusterRef(name="test", uid="limits")
START = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


class Slow(Bucket):
    """A bucket that lets others run between a read and a write, as a real one does."""

    async def get(self, key: str) -> Entry | None:
        found = await super().get(key)
        await asyncio.sleep(0)
        return found


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


def pod(number: int, *, owner: str = "", marked: bool = False, namespace: str = "shop") -> Manifest:
    owners = [{"uid": owner or f"o-{number}", "controller": True, "kind": "ReplicaSet", "name": "web"}]
    labels = {"firebreak.dev/m-00000000": "case"} if marked else {}
    return {
        "metadata": {
            "name": f"pod-{number}",
            "namespace": namespace,
            "uid": f"u-{number}",
            "labels": labels,
            "ownerReferences": owners,
        }
    }


def breaker(bucket: Bucket, clock: Clock) -> Breaker:
    return Breaker(bucket, Policy(), clock.now)


async def test_isolations_that_run_at_once_do_not_slip_under_the_breaker_together() -> None:
    bucket, clock = Slow(), Clock()
    replicas = [breaker(bucket, clock) for _ in range(3)]
    crowd = [pod(number) for number in range(20)]
    limits = await asyncio.gather(
        *(replicas[n % 3].reserve(f"action-{n}", crowd, {f"u-{n}"}) for n in range(20))
    )
    assert limits.count(None) == 4
    reached = [limit for limit in limits if limit]
    assert {limit.group for limit in reached} == {"breaker/shop/2026-05-04T12"}
    assert reached[0].reason == ("4 of 20 workloads of shop stand under containment: the breaker allows 4")


async def test_the_same_action_reserves_once_however_often_it_is_tried() -> None:
    bucket, clock = Slow(), Clock()
    crowd = [pod(number) for number in range(3 + 1)]
    again = [await breaker(bucket, clock).reserve("action-0", crowd, {"u-0"}) for _ in range(5)]
    others = [await breaker(bucket, clock).reserve(f"action-{n}", crowd, {f"u-{n}"}) for n in (1, 2, 3)]
    assert again == [None] * 5
    assert [bool(limit) for limit in others] == [False, False, True]


async def test_a_namespace_cannot_spend_anothers_breaker() -> None:
    bucket, clock = Slow(), Clock()
    decoys = [pod(number) for number in range(100)]
    limits = [await breaker(bucket, clock).reserve(f"d-{n}", decoys, {f"u-{n}"}) for n in range(100)]
    assert sum(limit is None for limit in limits) == 20
    victim = [pod(0, namespace="bank")]
    assert await breaker(bucket, clock).reserve("victim", victim, {"u-0"}) is None


async def test_a_reservation_counts_until_the_pods_say_it_or_nothing_came_of_it() -> None:
    bucket, clock, cluster = Slow(), Clock(), MemoryCluster(CLUSTER)
    crowd = [pod(number) for number in range(4)]
    for number in range(3):
        assert await breaker(bucket, clock).reserve(f"action-{number}", crowd, {f"u-{number}"}) is None
    standing = _receipt(cluster, "action-0", ActionState.APPLIED)
    await Records(bucket).remember(standing)
    await Records(bucket).remember(_receipt(cluster, "action-1", ActionState.REVERTED))
    clock.at += timedelta(minutes=3)

    # 0 stands on record, 1 was put back, 2 was never written: two places are free again.
    limits = [await breaker(bucket, clock).reserve(f"more-{n}", crowd, {f"u-{n}"}) for n in (1, 2, 3)]
    assert [bool(limit) for limit in limits] == [False, False, True]
    marked = [pod(0, marked=True), *crowd[1:]]
    assert await breaker(bucket, clock).reserve("late", marked, {"u-3"}) is not None


async def test_another_pod_of_a_contained_workload_needs_no_place() -> None:
    bucket, clock = Slow(), Clock()
    crowd = [*(pod(n, marked=True) for n in range(3)), pod(3), pod(4, owner="o-0")]
    assert await breaker(bucket, clock).reserve("a", crowd, {"u-4"}) is None
    assert await breaker(bucket, clock).reserve("b", crowd, {"u-3"}) is not None


def _receipt(cluster: MemoryCluster, action_id: str, state: ActionState) -> Receipt:
    made = action("isolate_pod", entity(cluster, pod(0))).model_copy(update={"id": action_id})
    plan = ActionPlan(action=made, writes=(), inverse=Inverse.EXACT, summary="s")
    return receipt(cluster, plan).model_copy(update={"state": state})


class Town:
    """A cluster with workloads that can be evicted, and its caps."""

    def __init__(self, **policy: Any) -> None:
        self.cluster = MemoryCluster(CLUSTER)
        self.bucket, self.clock = Slow(), Clock()
        self.policy = Policy.model_validate(policy)

    async def evict(
        self,
        namespace: str = "shop",
        owner: str = "",
        *,
        kind: str = "evict_pod",
        born: datetime = START - timedelta(days=1),
        approved_by: str | None = None,
    ) -> Limit | None:
        """Ask for a slot for a new pod, as a new replica would."""
        return await self.take(await self.pod(namespace, owner, born), kind=kind, approved_by=approved_by)

    async def pod(self, namespace: str = "shop", owner: str = "", born: datetime = START) -> Manifest:
        """Return a new pod of a workload."""
        name = f"pod-{uuid.uuid4().hex[:6]}"
        if not any(n["metadata"]["name"] == namespace for n in await self.cluster.list(NAMESPACES)):
            await self.cluster.create(NAMESPACES.ref(namespace), {"kind": "Namespace", "metadata": {}})
        uid = owner or uuid.uuid4().hex
        owners = [{"uid": uid, "controller": True, "kind": "ReplicaSet", "name": f"web-{uid[:3]}"}]
        manifest = {"kind": "Pod", "metadata": {"ownerReferences": owners}, "spec": {"containers": []}}
        made = await self.cluster.create(PODS.ref(name, namespace), manifest)
        # The server says when it was made; this one is told another time.
        key = ("", "pods", namespace, name)
        self.cluster._store.objects[key]["metadata"]["creationTimestamp"] = born.isoformat()
        return made

    async def take(
        self, *pods: Manifest, kind: str = "evict_pod", approved_by: str | None = None, index: int = 0
    ) -> Limit | None:
        return await self.caps().take(self.wanted(*pods, kind=kind, approved_by=approved_by, index=index))

    def caps(self) -> Caps:
        return Caps(self.cluster, self.bucket, self.policy, self.clock.now)

    def wanted(
        self, *pods: Manifest, kind: str = "evict_pod", approved_by: str | None = None, index: int = 0
    ) -> Receipt:
        made = action(kind, *(entity(self.cluster, one) for one in pods), index=index)
        plan = ActionPlan(action=made, writes=(), inverse=Inverse.NONE, summary="s")
        return receipt(self.cluster, plan).model_copy(update={"approved_by": approved_by})


async def test_who_only_looks_for_room_takes_none() -> None:
    town = Town()
    first, second = await town.pod(owner="web"), await town.pod(owner="web")
    for _ in range(3):
        assert await town.caps().room(town.wanted(first)) is None
    assert await town.take(first) is None
    full = await town.caps().room(town.wanted(second))
    assert full
    assert full == await town.take(second)
    assert await town.caps().room(town.wanted(first)) is None, "it has its slot already"
    assert await town.caps().room(town.wanted(second, approved_by="lead")) is None


@pytest.mark.parametrize("kind", ["evict_pod", "freeze_credentials"])
async def test_one_eviction_and_one_freeze_an_hour_for_each_workload(kind: str) -> None:
    town = Town()
    assert await town.evict(owner="web", kind=kind) is None
    second = await town.evict(owner="web", kind=kind)
    assert second
    assert "the cap of 1 " in second.reason
    assert "replicaset/shop/web-web" in second.reason
    town.clock.at += timedelta(minutes=61)
    assert await town.evict(owner="web", kind=kind, born=START - timedelta(days=1)) is None


async def test_five_in_a_namespace_and_twenty_in_the_cluster_at_once_by_replicas() -> None:
    town = Town()
    pods = [await town.pod(f"ns-{n % 6}", born=START - timedelta(days=1)) for n in range(60)]
    limits = await asyncio.gather(*(town.take(one) for one in pods))
    assert limits.count(None) == 20
    given = [one["metadata"]["namespace"] for one, limit in zip(pods, limits, strict=True) if limit is None]
    assert max(given.count(namespace) for namespace in given) <= 5


async def test_a_namespace_that_spends_its_own_leaves_the_others_theirs() -> None:
    town = Town()
    spent = [await town.evict("decoys") for _ in range(100)]
    assert spent.count(None) == 5
    reached = [limit for limit in spent if limit]
    assert {limit.group for limit in reached} == {"caps/decoys/2026-05-04T12"}
    assert "5 evictions an hour in decoys" in reached[0].reason
    assert await town.evict("bank") is None


async def test_what_people_approved_in_one_namespace_spends_no_other_namespaces() -> None:
    town = Town()
    assert [await town.evict("decoys", approved_by="ann") for _ in range(30)] == [None] * 30
    assert await town.evict("decoys") is not None
    assert await town.evict("bank") is None


async def test_the_same_action_takes_one_slot_and_one_that_is_gone_none() -> None:
    town = Town(caps={"per_namespace": 2})
    one, gone = await town.pod(), await town.pod()
    assert [await town.take(one) for _ in range(5)] == [None] * 5
    await town.cluster.delete(PODS.ref(gone["metadata"]["name"], "shop"))
    assert await town.take(gone) is None
    assert await town.evict() is None
    assert await town.evict() is not None


async def test_what_a_person_approved_is_done_and_still_counts() -> None:
    town = Town(caps={"per_owner": 1})
    assert await town.evict(owner="web", approved_by="ann") is None
    assert await town.evict(owner="web") is not None
    assert await town.evict(owner="web", approved_by="ann") is None


async def test_new_pods_of_a_workload_that_are_infected_again_are_not_evicted_any_more() -> None:
    town = Town(caps={"per_owner": 9, "reinfections": 2})
    before = START - timedelta(days=1)
    assert await town.evict(owner="web", born=before) is None
    assert await town.evict(owner="web", born=before) is None, "attacked at the same time: no re-infection"
    town.clock.at += timedelta(minutes=5)
    assert await town.evict(owner="web", born=START + timedelta(minutes=2)) is None
    looping = await town.evict(owner="web", born=START + timedelta(minutes=4))
    assert looping
    assert looping.reason.startswith("the image or its source re-infects: new pods of replicaset")
    assert await town.evict(owner="other", born=START + timedelta(minutes=4)) is None


async def test_a_pod_made_in_the_second_of_the_first_infection_is_a_new_one() -> None:
    town = Town(caps={"per_owner": 9})
    town.clock.at += timedelta(milliseconds=700)
    assert await town.evict(owner="web", born=START - timedelta(days=1)) is None
    again = await town.evict(owner="web", born=START)
    assert again
    assert "re-infects" in again.reason


async def test_nothing_is_evicted_in_a_freeze_window_without_a_person() -> None:
    window = {"timezone": "UTC", "since": "12:00", "until": "13:00", "reason": "the auction runs"}
    town = Town(freeze_windows=[window])
    held = await town.evict()
    assert held
    assert held.reason == "the auction runs"
    assert await town.evict(approved_by="ann") is None
    assert await town.evict(kind="isolate_pod") is None
    town.clock.at += timedelta(minutes=30)
    assert await town.evict() is None


async def test_a_storm_takes_a_slot_for_each_pod_or_none() -> None:
    town = Town()
    pods = [await town.pod(born=START - timedelta(days=1)) for _ in range(6)]
    assert await town.take(*pods) is not None
    assert await town.take(*pods[:5], index=1) is None
