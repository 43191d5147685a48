"""Evicting a pod: who may be evicted, what a budget says, and what is known afterwards."""

from typing import Any

import pytest

from activities import writing
from activities.actions import evict_pod
from activities.adapters.memory import MemoryCluster
from activities.ports import NAMESPACES, POD_DISRUPTION_BUDGETS, PODS, Manifest
from signals.errors import NotFound, Refused
from signals.plans import ActionPlan, WriteKind
from signals.receipts import Result
from tests.activities.acting import CASE, action, entity, receipt
from tests.activities.fragile import Fragile

ACTION = evict_pod.ACTION


async def pod(
    cluster: MemoryCluster, owner: str = "ReplicaSet", name: str = "web-0", grace: int = 30, **metadata: Any
) -> Manifest:
    owners = [{"kind": owner, "name": "web", "uid": "o", "controller": True}] if owner else []
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"app": "web"}, "ownerReferences": owners, **metadata},
        "spec": {"containers": [], "terminationGracePeriodSeconds": grace},
        "status": {"phase": "Running"},
    }
    return await cluster.create(PODS.ref(name, "shop"), body)


async def shop() -> MemoryCluster:
    cluster = MemoryCluster()
    await cluster.create(NAMESPACES.ref("shop"), {"kind": "Namespace", "metadata": {}})
    return cluster


async def budget(cluster: MemoryCluster, allowed: int) -> None:
    body = {
        "kind": "PodDisruptionBudget",
        "metadata": {},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": allowed, "desiredHealthy": 2, "currentHealthy": 2},
    }
    await cluster.create(POD_DISRUPTION_BUDGETS.ref("web", "shop"), body)


async def planned(cluster: MemoryCluster, *pods: Manifest) -> ActionPlan:
    return await ACTION.plan(cluster, action("evict_pod", *(entity(cluster, one) for one in pods)), CASE)


@pytest.mark.parametrize("owner", ["ReplicaSet", "ReplicationController", "Job"])
async def test_a_pod_whose_owner_makes_another_is_evicted(owner: str) -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster, owner))
    assert (plan.blocked, plan.concerns) == ("", ())
    assert [write.kind for write in plan.writes] == [WriteKind.EVICT]
    assert plan.residual


@pytest.mark.parametrize(
    ("owner", "why"),
    [("StatefulSet", "with its volume"), ("", "nothing brings it back"), ("Rollout", "not known here")],
)
async def test_a_person_decides_where_the_pod_comes_back_as_it_was_or_never(owner: str, why: str) -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster, owner))
    assert why in plan.concerns[0]
    assert plan.writes, "a person may approve it"


@pytest.mark.parametrize(
    ("owner", "annotations", "why"),
    [
        ("DaemonSet", {}, "back on the same node"),
        ("Node", {}, "a static pod"),
        ("", {"kubernetes.io/config.mirror": "x"}, "a static pod"),
    ],
)
async def test_what_is_back_at_once_is_never_evicted(
    owner: str, annotations: dict[str, str], why: str
) -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster, owner, annotations=annotations))
    assert why in plan.blocked
    assert plan.writes == ()


@pytest.mark.parametrize(("asked", "given"), [(30, 10), (3, 3), (0, 1)])
async def test_a_pod_is_given_some_seconds_never_many_and_never_none(asked: int, given: int) -> None:
    cluster = await shop()
    (write,) = (await planned(cluster, await pod(cluster, grace=asked))).writes
    assert write.manifest
    assert write.manifest["deleteOptions"]["gracePeriodSeconds"] == given


async def test_an_eviction_is_verified_by_the_uid_and_says_what_nobody_looked_at() -> None:
    cluster = await shop()
    made = await pod(cluster)
    plan = await planned(cluster, made)
    await writing.apply(cluster, plan)
    await pod(cluster)  # its replacement, of the same name
    done = await evict_pod.perform(cluster, receipt(cluster, plan))
    assert [(check.what, check.result) for check in done.checks] == [
        ("object", Result.PASSED), ("process", Result.UNKNOWN),
    ]  # fmt: skip
    assert done.failed == ""


async def test_an_eviction_sent_again_takes_no_stranger_and_spends_no_budget() -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster))
    await writing.apply(cluster, plan)
    stranger = await pod(cluster)
    await budget(cluster, 1)
    await writing.apply(cluster, plan)
    assert await cluster.get(PODS.ref("web-0", "shop")) == stranger
    left = await cluster.get(POD_DISRUPTION_BUDGETS.ref("web", "shop"))
    assert left["status"]["disruptionsAllowed"] == 1


@pytest.mark.parametrize("done", [False, True])
async def test_an_eviction_broken_off_and_sent_again_ends_the_same(done: bool) -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster))
    with pytest.raises(Exception, match="reset"):
        await writing.apply(Fragile(cluster, 0, done=done), plan)
    await writing.apply(cluster, plan)
    with pytest.raises(NotFound):
        await cluster.get(PODS.ref("web-0", "shop"))


async def test_a_budget_that_is_spent_keeps_one_pod_and_the_others_go() -> None:
    cluster = await shop()
    pods = [await pod(cluster, name=f"web-{number}") for number in range(3)]
    plan = await planned(cluster, *pods)
    await budget(cluster, 2)
    with pytest.raises(Refused, match=r"2 of 3 pods evicted; pods/shop/web-\d: Cannot evict pod"):
        await writing.apply(cluster, plan)
    assert len(await cluster.list(PODS, "shop")) == 1


async def test_of_many_pods_those_are_evicted_that_it_would_help_with() -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster), await pod(cluster, "DaemonSet", "agent"))
    assert [write.ref.name for write in plan.writes] == ["web-0"]
    assert any("agent is not evicted" in line for line in plan.residual)


async def test_nothing_of_an_eviction_is_put_back() -> None:
    cluster = await shop()
    plan = await planned(cluster, await pod(cluster))
    await writing.apply(cluster, plan)
    await writing.revert(cluster, plan)
    assert await cluster.list(PODS, "shop") == []


async def test_the_rights_that_are_declared_are_those_that_are_used() -> None:
    cluster = await shop()
    executor = cluster.identity("remediation-executor")
    made = await pod(cluster)
    plan = await ACTION.plan(executor, action("evict_pod", entity(cluster, made)), CASE)
    await writing.apply(executor, plan)
    assert await ACTION.hold(executor, receipt(executor, plan)) == ()
    await evict_pod.perform(executor, receipt(executor, plan))
    declared = {tuple(permission.split(": ")) for permission in ACTION.permissions}
    assert executor.used("remediation-executor") == declared
