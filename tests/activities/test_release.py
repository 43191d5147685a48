"""Everything comes off from what stands in the cluster alone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from activities import actions, writing
from activities.action import Action, CaseRef, case_label
from activities.adapters.memory import MemoryCluster
from activities.foresight import Foreseen
from activities.ports import NETWORK_POLICIES, PODS, Cluster
from activities.release import release, standing
from signals.catalog import load
from signals.decisions import OnExpiry
from signals.plans import ActionPlan, Write, WriteKind
from tests.activities.acting import CASE
from tests.activities.clusters import fresh_namespace, real
from tests.activities.scenes import Scene, pod, policy, scene

ACTIONS = load(actions, Action)
LONG = CaseRef(incident="a" * 63 + "-web-0-12345678", expires_at=CASE.expires_at)


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


async def contain(cluster: Cluster, here: Scene, case: CaseRef = CASE) -> list[ActionPlan]:
    """Apply a stack of everything there is, planned one on top of the other."""
    plans: list[ActionPlan] = []
    asked = [
        here.action(cluster, "block_flow", 0),
        here.block_neighbour(cluster, 1),
        here.action(cluster, "annotate_pod", 2),
        here.action(cluster, "isolate_pod", 3),
    ]
    for one in asked:
        writes: list[Write] = [write for plan in plans for write in plan.writes]
        plans.append(await ACTIONS[one.type].plan(Foreseen(cluster, writes), one, case))
    for plan in plans:
        assert not plan.blocked, plan.blocked
        await writing.apply(cluster, plan)
    return plans


@pytest.mark.parametrize("case", [CASE, LONG], ids=["short", "too-long-for-a-label"])
async def test_a_whole_stack_is_released_byte_for_byte(cluster: Cluster, here: Scene, case: CaseRef) -> None:
    before = await here.bytes(cluster)
    await contain(cluster, here, case)
    results = await release(cluster, case.incident, [here.space])
    assert all(result.done for result in results), results
    assert await here.bytes(cluster) == before
    assert await release(cluster, case.incident, [here.space]) == ()


async def test_another_case_is_left_alone(cluster: Cluster, here: Scene) -> None:
    await contain(cluster, here)
    contained = await here.bytes(cluster)
    assert await release(cluster, "another-case", [here.space]) == ()
    assert await here.bytes(cluster) == contained


async def test_without_a_case_everything_is_released(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    await contain(cluster, here)
    second = Scene(here.space, await pod(cluster, here.space, "web-1", "10.0.0.9", {}), here.neighbour)
    other = CaseRef(incident="shop-web-1-87654321", expires_at=CASE.expires_at)
    plan = await ACTIONS["isolate_pod"].plan(cluster, second.action(cluster, "isolate_pod"), other)
    await writing.apply(cluster, plan)
    results = await release(cluster, None, [here.space])
    assert {result.case for result in results} == {CASE.label, other.label}
    await cluster.delete(PODS.ref("web-1", here.space))
    assert await here.bytes(cluster) == before


async def test_what_has_lost_its_policy_is_found_and_removed(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    for plan in await contain(cluster, here):
        for write in plan.writes:
            if write.kind is WriteKind.CREATE:
                await writing.undo(cluster, write, force=True)
    assert all(result.done for result in await release(cluster, CASE.incident, [here.space]))
    assert await here.bytes(cluster) == before


async def test_what_others_changed_stays_and_is_told(cluster: Cluster, here: Scene) -> None:
    await contain(cluster, here)
    rule = {"op": "add", "path": "/spec/ingress/-", "value": {"ports": [{"port": 9, "protocol": "TCP"}]}}
    edited = await cluster.patch(NETWORK_POLICIES.ref("p0", here.space), [rule])
    results = await release(cluster, CASE.incident, [here.space])
    assert any("p0 was changed by" in result.note for result in results)
    assert all(result.done for result in results)
    left = await cluster.get(NETWORK_POLICIES.ref("p0", here.space))
    assert left["spec"]["ingress"] == edited["spec"]["ingress"]
    assert "firebreak" not in str(await here.bytes(cluster))


async def test_what_stands_tells_its_action_incident_and_expiry(cluster: Cluster, here: Scene) -> None:
    plans = await contain(cluster, here)
    found = [one for one in await standing(cluster, [here.space]) if one.action]
    assert [one.index for one in found] == [3, 2, 1, 0]
    assert [one.action for one in found] == ["isolate_pod", "annotate_pod", "block_flow", "block_flow"]
    for one, plan in zip(found, reversed(plans), strict=True):
        assert one.incident == CASE.incident
        assert one.id == plan.action.id
        assert one.case == case_label(CASE.incident)
        assert one.expires_at == datetime(2026, 1, 1, tzinfo=UTC)
        assert one.on_expiry is OnExpiry.RELEASE


async def test_nothing_stands_where_nothing_was_written(cluster: Cluster, here: Scene) -> None:
    await policy(cluster, here.space, "theirs", {"podSelector": {}}, labels={"app": "firebreak"})
    assert await standing(cluster, [here.space]) == []
    assert await release(cluster, None, [here.space]) == ()


async def test_garbage_in_the_place_of_our_notes_stops_nothing(cluster: Cluster, here: Scene) -> None:
    before = await here.bytes(cluster)
    plans = await contain(cluster, here)
    for note in ("inverse", "expires-at", "on-expiry"):
        path = f"/metadata/annotations/firebreak.dev~1{note}"
        await cluster.patch(plans[0].writes[0].ref, [{"op": "add", "path": path, "value": "[]"}])
    assert all(result.done for result in await release(cluster, None, [here.space]))
    assert await here.bytes(cluster) == before
