"""Histories out of a real Temporal: without secrets, and replayed; and what is said of a version that breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from signals.approvals import Verb
from signals.subjects import INCIDENT_WORKFLOW, REMEDIATION_WORKFLOW
from tests.workflows.running import running
from tests.workflows.world import settled
from workers import histories
from workers.cli import main
from workers.histories import Index

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

SECRETS = ("hunter2hunter2", "Tr0ub4dor")


@dataclass(frozen=True)
class Exported:
    folder: Path
    liaison_key: str
    code: int
    index: Index


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exported(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exported]:
    """Two incidents, one open and one closed by a person who says a password, exported by the command."""
    folder = tmp_path_factory.mktemp("export") / "histories"
    async with running() as world:
        address = world.client.service_client.config.target_host
        for close in (False, True):
            title = f"mysql --password={SECRETS[0]} -h db"
            handle = await world.open(world.event(await world.place(), title=title))
            await world.until(handle, settled)
            if close:
                await world.say(handle, Verb.CLOSE, undo=True, reason=f"was me, password={SECRETS[1]}")
                await handle.result()
        await asyncio.sleep(0.5)
        command = ["histories", "export", "--since", "1h", "--temporal", address, str(folder)]
        code = await asyncio.to_thread(main, command)
        index = await asyncio.to_thread(histories.read_index, folder)
        assert index
        yield Exported(folder, world.liaison_key, code, index)


def replay(folder: Path) -> int:
    return main(["histories", "replay", str(folder)])


def changed(exported: Exported, folder: Path, before: str, after: str) -> Path:
    """Copy an export into a folder, with another text in every history."""
    for path in exported.folder.iterdir():
        (folder / path.name).write_text(path.read_text().replace(before, after))
    return folder


def test_open_and_closed_incidents_and_their_stacks_are_exported(exported: Exported) -> None:
    assert exported.code == 0
    assert sorted((run.workflow, run.closed_at is None) for run in exported.index.runs) == [
        (INCIDENT_WORKFLOW, False), (INCIDENT_WORKFLOW, True),
        (REMEDIATION_WORKFLOW, False), (REMEDIATION_WORKFLOW, True),
    ]  # fmt: skip
    assert {run.file for run in exported.index.runs} == {
        path.name for path in histories.files(exported.folder)
    }


def test_no_secret_and_no_key_of_the_cluster_leaves_it(exported: Exported) -> None:
    payloads = [
        payload.data.decode()
        for path in histories.files(exported.folder)
        for event in histories.read(path).events
        for attributes in [event.workflow_execution_signaled_event_attributes.input,
                           event.workflow_execution_started_event_attributes.input,
                           event.activity_task_scheduled_event_attributes.input,
                           event.activity_task_completed_event_attributes.result,
                           event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args]
        for payload in attributes.payloads
    ]  # fmt: skip
    assert any("[redacted:password]" in payload for payload in payloads)
    key = json.dumps(exported.liaison_key)[1:-1]
    for payload in payloads:
        assert not any(secret in payload for secret in (*SECRETS, key))
    assert all(run.redacted for run in exported.index.runs)


def test_what_was_redacted_replays(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(run.replays for run in exported.index.runs)
    assert replay(exported.folder) == 0
    said = capsys.readouterr().out
    assert said.count("replays ") == 4


def test_the_first_run_that_would_break_is_named_with_the_event_and_what_to_do(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(changed(exported, tmp_path, '"collect_evidence"', '"collect_gossip"')) == 1
    said = capsys.readouterr()
    assert said.out.count("BREAKS") == 1
    assert f"This version would stop {INCIDENT_WORKFLOW}" in said.err
    assert "ActivityTaskScheduled" in said.err
    assert "workflow.patched(" in said.err


def test_what_broke_before_does_not_close_the_gate(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(exported, tmp_path, '"collect_evidence"', '"collect_gossip"')
    runs = tuple(run.model_copy(update={"replays": False}) for run in exported.index.runs)
    histories.write_index(folder, exported.index.model_copy(update={"runs": runs}))
    assert replay(folder) == 0
    assert "as with the version that exported it" in capsys.readouterr().out.replace("\n", " ")


def test_a_gate_over_nothing_is_wrong_use(tmp_path: Path) -> None:
    assert replay(tmp_path) == 2
    (tmp_path / "x.json").write_text("{}")
    assert replay(tmp_path) == 2


def test_an_export_never_mixes_with_another(exported: Exported) -> None:
    command = ["histories", "export", "--temporal", "127.0.0.1:1", str(exported.folder)]
    assert main(command) == 2


def test_the_machine_is_told_the_same(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", "json", "histories", "replay", str(exported.folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(one["workflow"], one["id"], one["replays"]) for one in told} == {
        (run.workflow, run.id, True) for run in exported.index.runs
    }
