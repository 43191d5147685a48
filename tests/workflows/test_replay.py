"""What was decided once is decided again: by the goldens, and by every history that the other tests have left."""

import copy
import hashlib
import shutil
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from signals.approvals import Verb
from signals.subjects import INCIDENT_WORKFLOW
from tests.golden import fingerprints
from tests.golden.cases import CASES
from tests.golden.changed import Patched, Reordered
from tests.golden.shelf import COMMAND, GOLDEN, Shelf
from tests.golden.stage import Kept
from tests.replaying import replayed
from tests.workflows.world import World, settled
from workers.replaying import ADVICE, GUIDE, WORKFLOWS, Replayed, replay
from workflows.remediation import RemediationWorkflow

pytestmark = pytest.mark.timeout(180)

MOST_BYTES = 2_500_000


@cache
def golden(file: str) -> WorkflowHistory:
    return Shelf().read(file)


async def replays(histories: Sequence[WorkflowHistory], *workflows: type) -> list[Replayed]:
    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    return [one async for one in replay(each(), workflows or WORKFLOWS)]


async def test_every_golden_replays_with_the_code_of_today() -> None:
    results = await replays([golden(file) for file in Shelf().files()])
    assert len(results) == len(Shelf().files())
    broken = [result.told() for result in results if result.breach]
    assert not broken, "\n".join([*broken, ADVICE])


@pytest.mark.parametrize("workflow", fingerprints.fingerprints())
def test_every_workflow_has_goldens_that_are_open_and_some_that_are_closed(workflow: str) -> None:
    kept = {made.closed for made in Shelf().manifest().values() if made.workflow == workflow}
    assert kept == {False, True}, f"{workflow} has no goldens: write a case, and run `{COMMAND}`"


def test_every_workflow_that_is_defined_is_replayed() -> None:
    assert {one.__name__ for one in WORKFLOWS} == set(fingerprints.fingerprints())


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_goldens(case: str) -> None:
    cases = {made.case for made in Shelf().manifest().values()}
    assert any(one == case or one.startswith(f"{case}-") for one in cases), f"run `{COMMAND}`"


def test_the_goldens_are_those_of_the_manifest_unchanged_and_small() -> None:
    shelf = Shelf()
    found = {file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in shelf.files().items()}
    assert found == {file: made.sha256 for file, made in shelf.manifest().items()}
    assert sum(path.stat().st_size for path in shelf.files().values()) < MOST_BYTES


def test_a_golden_is_added_and_never_overwritten(tmp_path: Path) -> None:
    file, made = next(iter(Shelf().manifest().items()))
    kept = Kept(workflow=made.workflow, case=made.case, closed=made.closed, history=golden(file))
    assert Shelf(tmp_path).add([kept]) == [file]
    before = (tmp_path / file).read_bytes()
    shorter = WorkflowHistory(kept.history.workflow_id, kept.history.events[:3])
    again = Kept(workflow=made.workflow, case=made.case, closed=made.closed, history=shorter)
    assert Shelf(tmp_path).add([again]) == []
    assert (tmp_path / file).read_bytes() == before
    assert list(Shelf(tmp_path).manifest()) == [file]


@pytest.mark.parametrize("state", ["open", "closed"])
async def test_another_order_of_commands_is_named_with_the_event_and_what_to_do(state: str) -> None:
    history = golden(f"{INCIDENT_WORKFLOW}/isolated.{state}.json.gz")
    (result,) = await replays([history], Reordered, RemediationWorkflow)
    assert result.breach
    event = history.events[result.breach.event - 1]
    assert event.HasField("start_child_workflow_execution_initiated_event_attributes")
    assert result.told().startswith(f"BREAKS   {INCIDENT_WORKFLOW} {history.workflow_id}")
    assert f"at event {event.event_id}, StartChildWorkflowExecutionInitiated" in result.told()


def test_the_advice_names_the_patch_and_a_page_that_is_there() -> None:
    assert "workflow.patched(" in ADVICE
    assert GUIDE in ADVICE
    assert (GOLDEN.parents[1] / GUIDE).is_file()


async def test_the_same_change_behind_a_patch_breaks_nothing() -> None:
    cases = ("isolated", "restricted", "rises", "stand-down")
    files = [f"{INCIDENT_WORKFLOW}/{case}.{state}.json.gz" for case in cases for state in ("open", "closed")]
    results = await replays([golden(file) for file in files], Patched, RemediationWorkflow)
    assert [result.told() for result in results if result.breach] == []


async def test_an_activity_of_another_name_is_found_though_temporal_names_no_event() -> None:
    history = copy.deepcopy(golden(f"{INCIDENT_WORKFLOW}/isolated.closed.json.gz"))
    scheduled = [one for one in history.events if one.HasField("activity_task_scheduled_event_attributes")]
    scheduled[-1].activity_task_scheduled_event_attributes.activity_type.name = "shout_it_out"
    (result,) = await replays([history])
    assert result.breach
    assert (result.breach.event, result.breach.kind) == (scheduled[-1].event_id, "ActivityTaskScheduled")
    assert "shout_it_out" in result.breach.reason


async def test_a_workflow_that_this_version_does_not_have_is_said() -> None:
    (result,) = await replays([golden(f"{INCIDENT_WORKFLOW}/isolated.closed.json.gz")], RemediationWorkflow)
    assert result.breach
    assert result.breach.reason == f"this version has no {INCIDENT_WORKFLOW}"


def test_the_order_of_commands_is_the_one_that_was_recorded() -> None:
    told = fingerprints.differences(fingerprints.recorded(), fingerprints.fingerprints())
    assert not told, "\n".join(told)


def test_an_unpatched_change_of_order_is_seen_before_any_replay(tmp_path: Path) -> None:
    code = shutil.copytree(fingerprints.CODE, tmp_path / "workflows")
    path = code / "following.py"
    before, after = (
        "        await self._stack.hand_over(self._file)\n        self._publish()\n",
        "        self._publish()\n        await self._stack.hand_over(self._file)\n",
    )
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    (told,) = fingerprints.differences(fingerprints.fingerprints(), fingerprints.fingerprints(code))
    assert told.startswith(f"{INCIDENT_WORKFLOW}: the commands of following.Following._follow_up")
    assert "workflow.patched" in told


@pytest.mark.stack
@pytest.mark.asyncio(loop_scope="session")
async def test_every_history_of_this_run_replays(world: World) -> None:
    handle = await world.open(world.event(await world.place()))
    await world.until(handle, settled)
    await world.say(handle, Verb.CLOSE, undo=True)
    count, failures = await replayed(world.client)
    assert count >= 2
    assert failures == {}
