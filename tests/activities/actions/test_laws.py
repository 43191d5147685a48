"""What holds for every action in the catalogue, on a dictionary and, as the executor itself, on a real server."""

from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities import actions, writing
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.ports import NETWORK_POLICIES, PODS, ROLE_BINDINGS, Cluster
from deploy.rbac import executor_binding
from signals.catalog import load
from signals.decisions import Inverse
from signals.errors import NotFound, Unavailable
from signals.plans import ActionPlan, Plan
from signals.receipts import Result
from signals.subjects import CAPTURER, CREDENTIAL_FREEZER, REMEDIATION_EXECUTOR
from tests.activities.acting import CASE, receipt
from tests.activities.clusters import fresh_namespace, real
from tests.activities.fragile import Fragile
from tests.activities.hands import enrolled, hands
from tests.activities.scenes import POLICIES, Scene, scene
from tests.activities.worlds import frozen

ACTIONS = load(actions, Action)
EXACT = sorted(name for name, action in ACTIONS.items() if action.inverse is Inverse.EXACT)
EVERY = pytest.mark.parametrize("kind", EXACT)
"""Every action that can be put back; one that cannot has tests of its own."""
SCENES = pytest.mark.parametrize("policies", sorted(POLICIES))


@dataclass(frozen=True)
class Stage:
    """One namespace, seen by the people who own it and by the executor."""

    people: Cluster
    executor: Cluster
    space: str

    async def scene(self, policies: str) -> Scene:
        return await scene(self.people, self.space, policies)

    async def plan(self, kind: str, here: Scene) -> ActionPlan:
        planned = await ACTIONS[kind].plan(self.executor, here.action(self.people, kind), CASE)
        assert not planned.blocked, planned.blocked
        return planned

    async def versions(self) -> list[Any]:
        """Return everything, with the server's counters: equal only if nothing at all was written."""
        seen = [await self.people.list(resource, self.space) for resource in (PODS, NETWORK_POLICIES)]
        rights = await self.people.list(ROLE_BINDINGS, self.space)
        return [*seen, rights, await frozen(self.people, self.space)]


@pytest_asyncio.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "memory":
        yield await remembered(MemoryCluster())
        return
    plane = request.getfixturevalue("control_plane")
    async with (
        real(plane, tmp_path) as people,
        real(plane, tmp_path, REMEDIATION_EXECUTOR) as executor,
        real(plane, tmp_path, CREDENTIAL_FREEZER) as freezer,
        real(plane, tmp_path, CAPTURER) as capturer,
    ):
        space = await fresh_namespace(people)
        await enrolled(people, [space])
        binding = executor_binding(space)
        await people.create(ROLE_BINDINGS.ref(binding["metadata"]["name"], space), binding)
        yield Stage(people, hands(freezer, capturer, capturer.workload).of(executor), space)


async def remembered(memory: MemoryCluster) -> Stage:
    """Return a stage on a dictionary."""
    space = await fresh_namespace(memory)
    await enrolled(memory, [space])
    executor = hands(memory.identity(CREDENTIAL_FREEZER)).of(memory.identity(REMEDIATION_EXECUTOR))
    return Stage(memory, executor, space)


@SCENES
@EVERY
async def test_applied_twice_is_applied_once(stage: Stage, kind: str, policies: str) -> None:
    plan = await stage.plan(kind, await stage.scene(policies))
    await writing.apply(stage.executor, plan)
    once = await stage.versions()
    await writing.apply(stage.executor, plan)
    assert await stage.versions() == once


@SCENES
@EVERY
async def test_the_undo_is_byte_identical_and_harmless_when_repeated(
    stage: Stage, kind: str, policies: str
) -> None:
    here = await stage.scene(policies)
    before = await here.bytes(stage.people)
    plan = await stage.plan(kind, here)
    await writing.apply(stage.executor, plan)
    assert await here.bytes(stage.people) != before
    await writing.revert(stage.executor, plan)
    assert await here.bytes(stage.people) == before
    undone = await stage.versions()
    await writing.revert(stage.executor, plan)
    assert await stage.versions() == undone


@SCENES
@EVERY
async def test_a_dry_run_is_accepted_and_changes_nothing(stage: Stage, kind: str, policies: str) -> None:
    plan = await stage.plan(kind, await stage.scene(policies))
    before = await stage.versions()
    answers = await writing.dry_run(
        stage.executor, Plan(incident=CASE.incident, policy_digest="", actions=(plan,))
    )
    assert [answer.accepted for answer in answers] == [True] * len(plan.writes), answers
    assert await stage.versions() == before


@EVERY
async def test_a_plan_made_twice_is_the_same_plan(stage: Stage, kind: str) -> None:
    here = await stage.scene("by-label")
    before = await stage.versions()
    assert await stage.plan(kind, here) == await stage.plan(kind, here)
    assert await stage.versions() == before


@EVERY
async def test_what_was_applied_is_verified_and_needs_no_hold(stage: Stage, kind: str) -> None:
    plan = await stage.plan(kind, await stage.scene("by-label"))
    await writing.apply(stage.executor, plan)
    known = receipt(stage.executor, plan)
    checks = await ACTIONS[kind].verify(stage.executor, known)
    assert Result.FAILED not in {check.result for check in checks}
    assert Result.PASSED in {check.result for check in checks}
    assert await ACTIONS[kind].hold(stage.executor, known) == ()


@EVERY
async def test_what_somebody_removed_is_seen_and_written_again(stage: Stage, kind: str) -> None:
    here = await stage.scene("by-label")
    before = await here.bytes(stage.people)
    plan = await stage.plan(kind, here)
    await writing.apply(stage.executor, plan)
    known = receipt(stage.executor, plan)
    standing = _without_uids(await here.bytes(stage.people))
    for write in plan.writes:
        await writing.undo(stage.people, write, force=True)
        checks = await ACTIONS[kind].verify(stage.executor, known)
        assert Result.FAILED in {check.result for check in checks}, str(write)
        missing = await ACTIONS[kind].hold(stage.executor, known)
        await writing.apply(stage.executor, plan.model_copy(update={"writes": missing}))
        assert _without_uids(await here.bytes(stage.people)) == standing, str(write)
        assert await ACTIONS[kind].hold(stage.executor, known) == ()
    await writing.revert(stage.executor, plan)
    assert await here.bytes(stage.people) == before


@pytest.mark.parametrize("done", [False, True], ids=["before-the-write", "after-the-write"])
@EVERY
async def test_broken_off_anywhere_and_run_again_ends_the_same(stage: Stage, kind: str, done: bool) -> None:
    here = await stage.scene("by-label")
    before = await here.bytes(stage.people)
    plan = await stage.plan(kind, here)
    await writing.apply(stage.executor, plan)
    standing = _without_uids(await here.bytes(stage.people))
    await writing.revert(stage.executor, plan)
    for writes in range(len(plan.writes)):
        with pytest.raises(Unavailable):
            await writing.apply(Fragile(stage.executor, writes, done=done), plan)
        await writing.apply(stage.executor, plan)
        assert _without_uids(await here.bytes(stage.people)) == standing
        with pytest.raises(Unavailable):
            await writing.revert(Fragile(stage.executor, writes, done=done), plan)
        await writing.revert(stage.executor, plan)
        assert await here.bytes(stage.people) == before
        with suppress(Unavailable):
            await writing.apply(Fragile(stage.executor, writes, done=done), plan)
        await writing.revert(stage.executor, plan)
        assert await here.bytes(stage.people) == before


@EVERY
async def test_a_pod_that_is_gone_is_not_acted_on_and_leaves_nothing_behind(stage: Stage, kind: str) -> None:
    here = await stage.scene("by-label")
    asked = here.action(stage.people, kind)
    plan = await stage.plan(kind, here)
    await writing.apply(stage.executor, plan)
    await stage.people.delete(PODS.ref("web-0", stage.space))
    await writing.revert(stage.executor, plan)
    assert "firebreak.dev" not in str(await here.bytes(stage.people))
    blocked = await ACTIONS[kind].plan(stage.executor, asked, CASE)
    assert "is gone" in blocked.blocked
    assert blocked.writes == ()


@EVERY
async def test_another_pod_of_the_same_name_is_not_touched(stage: Stage, kind: str) -> None:
    here = await stage.scene("by-label")
    asked = here.action(stage.people, kind)
    plan = await stage.plan(kind, here)
    await stage.people.delete(PODS.ref("web-0", stage.space))
    stranger = {**here.pod, "metadata": {"name": "web-0", "labels": {"app": "web"}}}
    stranger.pop("status")
    await stage.people.create(PODS.ref("web-0", stage.space), stranger)
    before = await here.bytes(stage.people)
    assert "another pod" in (await ACTIONS[kind].plan(stage.executor, asked, CASE)).blocked
    with nullcontext() if ACTIONS[kind].passing else pytest.raises(NotFound):
        await writing.apply(stage.executor, plan)
    if perform := ACTIONS[kind].perform:
        assert "another pod" in (await perform(stage.executor, receipt(stage.executor, plan))).failed
    await writing.revert(stage.executor, plan)
    assert await here.bytes(stage.people) == before


@EVERY
async def test_the_rights_that_are_declared_are_those_that_are_used(kind: str) -> None:
    memory = MemoryCluster()
    stage = await remembered(memory)
    executor = stage.executor
    here = await stage.scene("by-label")
    plan = await stage.plan(kind, here)
    known = receipt(executor, plan)
    await writing.dry_run(executor, Plan(incident="i", policy_digest="", actions=(plan,)))
    await writing.apply(executor, plan)
    await ACTIONS[kind].verify(executor, known)
    await ACTIONS[kind].hold(executor, known)
    await writing.revert(executor, plan)
    declared = {
        (resource, verb.strip())
        for permission in (*ACTIONS[kind].permissions, *ACTIONS[kind].surroundings)
        for resource, _, verbs in [permission.partition(": ")]
        for verb in verbs.split(",")
    }
    assert memory.used(REMEDIATION_EXECUTOR) == declared


def _without_uids(objects: list[Any]) -> list[Any]:
    """Objects that were deleted and made again are others to the server, and the same to us."""
    hidden = ("uid", "creationTimestamp")
    return [
        {**item, "metadata": {key: value for key, value in item["metadata"].items() if key not in hidden}}
        for item in objects
    ]


def test_every_action_says_what_it_is() -> None:
    for name, action in ACTIONS.items():
        assert action.summary[0].isupper(), name
        assert action.permissions, name
        if action.inverse is Inverse.NONE:
            assert action.deferred, f"{name}: what cannot be put back comes after what can"
            assert action.passing, f"{name}: nothing of it stands that an undo could take back"
