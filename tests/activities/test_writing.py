"""What the undo does where somebody else was at work, and what happens to those who meet at one object."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities import expiry, writing
from activities.actions import annotate_pod, block_flow, isolate_pod
from activities.adapters.memory import MemoryCluster
from activities.ports import NETWORK_POLICIES, PODS, Cluster
from activities.standing import moment
from signals.entities import Entity
from signals.errors import Conflict, Drifted, NotFound
from signals.plans import ActionPlan, ObjectRef
from signals.subjects import EXPIRES_AT
from tests.activities.acting import CASE, action, entity
from tests.activities.clusters import fresh_namespace, real
from tests.activities.scenes import Scene, pod, policy, scene

RULE = [{"op": "add", "path": "/spec/ingress/-", "value": {"ports": [{"port": 9, "protocol": "TCP"}]}}]


@pytest_asyncio.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    if request.param == "memory":
        yield MemoryCluster()
        return
    async with real(request.getfixturevalue("control_plane"), tmp_path) as one:
        yield one


@pytest_asyncio.fixture
async def here(cluster: Cluster) -> Scene:
    return await scene(cluster, await fresh_namespace(cluster))


async def isolated(cluster: Cluster, here: Scene) -> ActionPlan:
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await writing.apply(cluster, plan)
    return plan


def theirs(here: Scene, name: str = "p0") -> ObjectRef:
    return NETWORK_POLICIES.ref(name, here.space)


async def test_an_edit_of_a_policy_that_the_pod_left_stops_the_undo(cluster: Cluster, here: Scene) -> None:
    plan = await isolated(cluster, here)
    await cluster.patch(theirs(here), RULE)
    standing = await here.bytes(cluster)
    with pytest.raises(Drifted, match=r"networkpolicies/.*/p0 was changed by"):
        await writing.revert(cluster, plan)
    assert await here.bytes(cluster) == standing


async def test_by_force_only_our_own_is_removed_and_the_edit_stays(cluster: Cluster, here: Scene) -> None:
    plan = await isolated(cluster, here)
    edited = await cluster.patch(theirs(here), RULE)
    await writing.revert(cluster, plan, force=True)
    assert "firebreak" not in str(await here.bytes(cluster))
    left = await cluster.get(theirs(here))
    assert left["spec"]["ingress"] == edited["spec"]["ingress"]
    assert "matchExpressions" not in left["spec"]["podSelector"]


async def test_an_edit_of_labels_of_a_policy_is_no_drift_and_stays(cluster: Cluster, here: Scene) -> None:
    plan = await isolated(cluster, here)
    await cluster.patch(theirs(here), [{"op": "add", "path": "/metadata/labels", "value": {"team": "shop"}}])
    await writing.revert(cluster, plan)
    assert (await cluster.get(theirs(here)))["metadata"]["labels"] == {"team": "shop"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/spec/egress", "value": [{}]},
        {"op": "remove", "path": "/metadata/labels/firebreak.dev~1case"},
    ],
)
async def test_an_edit_of_our_own_policy_stops_the_undo(
    cluster: Cluster, here: Scene, operation: dict[str, Any]
) -> None:
    plan = await isolated(cluster, here)
    await cluster.patch(plan.writes[0].ref, [operation])
    with pytest.raises(Drifted):
        await writing.revert(cluster, plan)


async def test_a_deleted_policy_of_ours_stops_the_undo_and_force_goes_on(
    cluster: Cluster, here: Scene
) -> None:
    before = await here.bytes(cluster)
    plan = await isolated(cluster, here)
    await cluster.delete(plan.writes[0].ref)
    with pytest.raises(Drifted, match="was deleted, not by us"):
        await writing.revert(cluster, plan)
    await writing.revert(cluster, plan, force=True)
    assert await here.bytes(cluster) == before


async def test_a_removed_mark_stops_the_undo(cluster: Cluster, here: Scene) -> None:
    plan = await isolated(cluster, here)
    (mark,) = (write for write in plan.writes if write.kind == "mark")
    await writing.undo(cluster, mark, force=False)
    with pytest.raises(Drifted, match="lost our mark, not by us"):
        await writing.revert(cluster, plan)


async def test_a_changed_mark_stops_the_undo(cluster: Cluster, here: Scene) -> None:
    plan = await annotate_pod.plan(cluster, here.action(cluster, "annotate_pod"), CASE)
    await writing.apply(cluster, plan)
    [key] = plan.writes[0].annotations
    path = f"/metadata/annotations/{key.replace('/', '~1')}"
    await cluster.patch(plan.writes[0].ref, [{"op": "replace", "path": path, "value": "{}"}])
    with pytest.raises(Drifted, match="was changed by"):
        await writing.revert(cluster, plan)


async def test_an_exclusion_that_somebody_took_back_needs_no_undo(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    plan = await isolated(cluster, here)
    exclusion = plan.writes[-1]
    await writing.undo(cluster, exclusion, force=False)
    await writing.revert(cluster, plan)
    assert await here.bytes(cluster) == before


async def test_what_others_changed_after_the_undo_is_not_ours_to_judge(cluster: Cluster, here: Scene) -> None:
    plan = await isolated(cluster, here)
    await writing.revert(cluster, plan)
    edited = await cluster.patch(theirs(here), RULE)
    await writing.revert(cluster, plan)
    assert await cluster.get(theirs(here)) == edited


async def test_another_cases_exclusion_is_no_drift(cluster: Cluster, here: Scene) -> None:
    second = await pod(cluster, here.space, "web-1", "10.0.0.7", {"app": "web"})
    before = await here.bytes(cluster)
    first = await isolated(cluster, here)
    other = CASE.__class__(incident="shop-web-1-87654321", expires_at=CASE.expires_at)
    both = await isolate_pod.plan(cluster, action("isolate_pod", entity(cluster, second)), other)
    await writing.apply(cluster, both)
    standing_alone = await here.bytes(cluster)
    await writing.revert(cluster, first)
    assert await here.bytes(cluster) != standing_alone
    await writing.revert(cluster, both)
    assert await here.bytes(cluster) == before


async def test_a_policy_that_changed_since_the_plan_is_planned_anew(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await cluster.patch(theirs(here), RULE)
    with pytest.raises(Drifted, match="since the plan was made"):
        await writing.apply(cluster, plan)
    await writing.revert(cluster, plan, force=True)
    await cluster.patch(theirs(here), [{"op": "remove", "path": "/spec/ingress/1"}])
    assert await here.bytes(cluster) == before


async def test_a_name_of_ours_that_is_taken_is_a_conflict(cluster: Cluster, here: Scene) -> None:
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await policy(cluster, here.space, plan.writes[0].ref.name, {"podSelector": {}})
    with pytest.raises(Conflict, match="is not ours"):
        await writing.apply(cluster, plan)
    await writing.revert(cluster, plan)
    assert (await cluster.get(plan.writes[0].ref))["spec"]["podSelector"] == {}


async def test_a_policy_that_is_gone_stops_the_apply_and_not_the_undo(cluster: Cluster, here: Scene) -> None:
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await cluster.delete(theirs(here))
    with pytest.raises(NotFound):
        await writing.apply(cluster, plan)
    await writing.revert(cluster, plan)
    assert "firebreak" not in str(await here.bytes(cluster))


async def test_overlapping_attempts_of_one_apply_write_once(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await asyncio.gather(*(writing.apply(cluster, plan) for _ in range(5)))
    assert len(await cluster.list(NETWORK_POLICIES, here.space, f"firebreak.dev/case={CASE.label}")) == 1
    await asyncio.gather(*(writing.revert(cluster, plan) for _ in range(5)))
    assert await here.bytes(cluster) == before


async def test_an_undo_while_apply_runs_leaves_nothing_once_it_is_repeated(
    cluster: Cluster, here: Scene
) -> None:
    before = await here.bytes(cluster)
    plan = await isolate_pod.plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    await asyncio.gather(writing.apply(cluster, plan), writing.revert(cluster, plan), return_exceptions=True)
    await writing.revert(cluster, plan, force=True)
    assert await here.bytes(cluster) == before


async def test_many_cases_leave_one_policy_at_once_and_come_back_at_once(cluster: Cluster) -> None:
    space = await fresh_namespace(cluster)
    await policy(cluster, space, "p0", {"podSelector": {}, "ingress": [{}]})
    pods = [await pod(cluster, space, f"web-{n}", f"10.0.1.{n}", {"app": "web"}) for n in range(25)]
    before = await Scene(space, pods[0], pods[1]).bytes(cluster)
    plans = []
    for number, one in enumerate(pods):
        case = CASE.__class__(incident=f"shop-web-{number}", expires_at=CASE.expires_at)
        plans.append(await isolate_pod.plan(cluster, action("isolate_pod", entity(cluster, one)), case))
    await asyncio.gather(*(writing.apply(cluster, plan) for plan in plans))
    terms = (await cluster.get(NETWORK_POLICIES.ref("p0", space)))["spec"]["podSelector"]["matchExpressions"]
    assert len(terms) == 25
    await asyncio.gather(*(writing.revert(cluster, plan) for plan in plans))
    assert await Scene(space, pods[0], pods[1]).bytes(cluster) == before


async def test_a_longer_stay_is_written_on_what_we_created(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    plan = await isolated(cluster, here)
    later = CASE.expires_at.replace(year=2030)
    await expiry.extend(cluster, plan.writes, later)
    made = await cluster.get(plan.writes[0].ref)
    assert made["metadata"]["annotations"][EXPIRES_AT] == moment(later)
    await writing.revert(cluster, plan)
    assert await here.bytes(cluster) == before


def targets(cluster: Cluster, pods: list[Any]) -> list[Entity]:
    return [entity(cluster, one) for one in pods]


async def test_a_storm_has_one_policy_and_one_exclusion_and_the_last_pod_takes_them_away(
    cluster: Cluster,
) -> None:
    space = await fresh_namespace(cluster)
    await policy(cluster, space, "p0", {"podSelector": {}, "ingress": [{}]})
    pods = [await pod(cluster, space, f"web-{n}", f"10.0.1.{n}", {"app": "web"}) for n in range(5)]
    whole = Scene(space, pods[0], pods[1])
    before = await whole.bytes(cluster)
    batches = [
        await isolate_pod.plan(cluster, action("isolate_pod", *targets(cluster, batch), index=index), CASE)
        for index, batch in enumerate((pods[:3], pods[3:]))
    ]
    for batch in batches:
        await writing.apply(cluster, batch)
    assert len(await cluster.list(NETWORK_POLICIES, space)) == 2
    terms = (await cluster.get(NETWORK_POLICIES.ref("p0", space)))["spec"]["podSelector"]["matchExpressions"]
    assert len(terms) == 1
    await writing.revert(cluster, batches[0])
    marked = [p for p in await cluster.list(PODS, space) if "firebreak" in str(p["metadata"]["labels"])]
    assert [p["metadata"]["name"] for p in marked] == ["web-3", "web-4"]
    assert len(await cluster.list(NETWORK_POLICIES, space)) == 2
    undone = await whole.bytes(cluster)
    await writing.revert(cluster, batches[0])
    assert await whole.bytes(cluster) == undone
    await writing.revert(cluster, batches[1])
    assert await whole.bytes(cluster) == before


@pytest.mark.stack
async def test_the_undo_names_who_changed_a_policy(control_plane: Any, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(real(control_plane, tmp_path))
        here = await scene(cluster, await fresh_namespace(cluster))
        plan = await isolated(cluster, here)
        path = f"/apis/networking.k8s.io/v1/namespaces/{here.space}/networkpolicies/p0?fieldManager=alice"
        assert control_plane.admin.patch(path, *RULE).status == 200
        with pytest.raises(Drifted, match="changed by alice"):
            await writing.revert(cluster, plan)


async def test_a_block_on_an_isolated_pod_of_another_case_is_refused(cluster: Cluster, here: Scene) -> None:
    first = await block_flow.plan(cluster, here.action(cluster, "block_flow"), CASE)
    await writing.apply(cluster, first)
    other = CASE.__class__(incident="another-incident", expires_at=CASE.expires_at)
    second = await block_flow.plan(cluster, here.block_neighbour(cluster, 1), CASE)
    assert not second.blocked
    refused = await block_flow.plan(cluster, here.action(cluster, "block_flow", 1), other)
    assert f"contained by incident {CASE.label} already" in refused.blocked
