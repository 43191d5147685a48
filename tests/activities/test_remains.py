"""What others hold for the executor comes off with the rest, and stands in the way of nothing where it cannot."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from activities import actions, writing
from activities.action import Action, CaseRef
from activities.adapters.memory import MemoryCluster
from activities.divided import Divided
from activities.ports import FREEZES, NETWORK_POLICIES, ROLE_BINDINGS, Cluster, Manifest, Resource
from activities.records import Records
from activities.refusing import Refusing
from activities.release import look, release
from deploy.rbac import executor_binding
from signals.catalog import load
from signals.errors import NotFound, Unavailable
from signals.subjects import CAPTURER, CREDENTIAL_FREEZER, REMEDIATION_EXECUTOR
from tests.activities.acting import CASE
from tests.activities.clusters import fresh_namespace, real
from tests.activities.hands import enrolled, hands
from tests.activities.scenes import Scene, scene
from tests.workflows.world import Bucket
from workers.sweeper import Sweeper

ACTIONS = load(actions, Action)
STACK = ("isolate_pod", "capture_evidence", "freeze_credentials")


class Away(Refusing):
    """A kind whose holder does not answer."""

    error: type[Exception] = Unavailable

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        raise self.error("nobody answers")


class Uninstalled(Away):
    """A kind that this cluster does not know."""

    error = NotFound


class Nobody:
    """An owner of stacks that does nothing."""

    async def tell(self, incident: str) -> None:
        """Do nothing."""

    async def page(self, incident: str, text: str) -> None:
        """Page nobody."""

    async def ensure(self, incident: str, action_ids: list[str]) -> None:
        """Do nothing."""


class Stage:
    """One pod under a whole stack."""

    def __init__(self, people: Cluster, executor: Divided, here: Scene) -> None:
        self.people, self.executor, self.here = people, executor, here

    async def contain(self, case: CaseRef = CASE) -> list[Manifest]:
        """Apply the stack; return everything as it was before."""
        before = await self.here.bytes(self.people)
        for index, kind in enumerate(STACK):
            asked = self.here.action(self.people, kind, index)
            await writing.apply(self.executor, await ACTIONS[kind].plan(self.executor, asked, case))
        return before


@pytest_asyncio.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "memory":
        memory = MemoryCluster()
        space = await fresh_namespace(memory)
        await enrolled(memory, [space])
        executor = hands(memory.identity(CREDENTIAL_FREEZER)).of(memory.identity(REMEDIATION_EXECUTOR))
        yield Stage(memory, executor, await scene(memory, space))
        return
    plane = request.getfixturevalue("control_plane")
    async with (
        real(plane, tmp_path) as people,
        real(plane, tmp_path, REMEDIATION_EXECUTOR) as executor_,
        real(plane, tmp_path, CREDENTIAL_FREEZER) as freezer,
        real(plane, tmp_path, CAPTURER) as capturer,
    ):
        space = await fresh_namespace(people)
        await enrolled(people, [space])
        binding = executor_binding(space)
        await people.create(ROLE_BINDINGS.ref(binding["metadata"]["name"], space), binding)
        mine = hands(freezer, capturer, capturer.workload)
        yield Stage(people, mine.of(executor_), await scene(people, space))


async def test_everything_of_a_stack_is_released_the_top_first_by_people_alone(stage: Stage) -> None:
    before = await stage.contain()
    released = await release(stage.people, CASE.incident, [stage.here.space])
    done = [one.write.split("/")[0] for one in released]
    assert all(one.done for one in released), released
    assert done[:2] == ["create freezes", "create rolebindings"]
    assert await stage.here.bytes(stage.people) == before


async def test_the_executor_releases_it_by_the_hands_of_others(stage: Stage) -> None:
    before = await stage.contain()
    assert all(one.done for one in await release(stage.executor, CASE.incident, [stage.here.space]))
    assert await stage.here.bytes(stage.people) == before


async def test_each_piece_says_whose_it_is_and_when_it_ends(stage: Stage) -> None:
    await stage.contain()
    stands, blind = await look(stage.people, [stage.here.space])
    assert blind == ()
    assert [(one.action, one.incident, one.index) for one in stands] == [
        (kind, CASE.incident, index) for index, kind in reversed([*enumerate(STACK)])
    ]
    assert {one.expires_at for one in stands} == {CASE.expires_at}
    elsewhere, _ = await look(stage.people, ["kube-public"])
    assert elsewhere == []


async def test_a_freezer_that_is_away_keeps_nothing_else_from_being_put_back(stage: Stage) -> None:
    await stage.contain()
    away = Divided(stage.people, {FREEZES: Away(stage.people.ref)})
    released = await release(away, CASE.incident, [stage.here.space])
    (lost,) = [one for one in released if not one.done]
    assert "freezes of ours could not be read: nobody answers" in lost.note
    assert await stage.people.list(NETWORK_POLICIES, stage.here.space, labels="firebreak.dev/case") == []
    assert len(await release(stage.people, CASE.incident, [stage.here.space])) == 1


async def test_a_cluster_that_does_not_know_freezes_has_none() -> None:
    memory = MemoryCluster()
    old = Divided(memory, {FREEZES: Uninstalled(memory.ref)})
    assert await look(old) == ([], ())


async def test_the_sweeper_puts_back_what_it_can_without_the_freezer_and_the_rest_when_it_is_back() -> None:
    memory = MemoryCluster()
    space = await fresh_namespace(memory)
    await enrolled(memory, [space])
    whole = hands(memory.identity(CREDENTIAL_FREEZER)).of(memory)
    here = await scene(memory, space)
    before = await here.bytes(memory)
    case = CaseRef(incident=CASE.incident, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    await Stage(memory, whole, here).contain(case)
    later = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1)
    away = Divided(memory, {FREEZES: Away(memory.ref)})

    async def sweep(cluster: Cluster) -> None:
        await Sweeper(cluster, Records(Bucket()), ACTIONS, Nobody(), lambda: later).sweep()

    await sweep(away)
    assert len(await memory.list(FREEZES)) == 1
    assert await memory.list(NETWORK_POLICIES, space, labels="firebreak.dev/case") == []
    await sweep(whole)
    assert await here.bytes(memory) == before
