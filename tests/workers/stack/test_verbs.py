"""`firebreak up | down | status | doctor` as a person meets them."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from signals.errors import StackError
from workers.cli import Exit, main
from workers.stack import state
from workers.stack.doctor import Verdict
from workers.stack.options import Options
from workers.stack.serve import detached

AGENT = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(os.environ["FIREBREAK_READY_FILE"]).touch()
while True: time.sleep(60)
"""


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().out


def test_status_of_nothing_is_an_answer_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "status", "--state", str(tmp_path), "-o", "json")
    assert code == Exit.DONE
    document = json.loads(text)
    assert (document["ready"], document["state_dir"], document["processes"]) == (False, str(tmp_path), [])
    _, text = said(capsys, "status", "--state", str(tmp_path), "-o", "yaml")
    assert yaml.safe_load(text) == document
    _, text = said(capsys, "status", "--state", str(tmp_path))
    assert "firebreak up" in text


def test_a_cluster_of_ones_own_is_never_implied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--state", str(tmp_path), "--kubeconfig", "f"]) == Exit.WRONG_USE
    assert "--context" in capsys.readouterr().err
    assert main(["up", "--state", str(tmp_path), "--context", "c", "--cluster", "memory"]) == Exit.WRONG_USE
    assert os.listdir(tmp_path) == []


def test_a_context_that_is_not_there_ends_the_start_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text(yaml.safe_dump({"contexts": [{"name": "kind", "context": {}}]}))
    arguments = ["--context", "prod", "--kubeconfig", str(tmp_path / "config")]
    assert main(["up", "--state", str(tmp_path / "state"), *arguments]) == Exit.WRONG_USE
    assert "it has: kind" in capsys.readouterr().err
    assert {process.pid for process in state.read(tmp_path / "state").processes} <= {None}


def test_doctor_says_what_is_missing_and_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("workers.stack.golang._installer", lambda: None)
    code, text = said(capsys, "doctor", "--state", str(tmp_path), "-o", "json")
    findings = {finding["what"]: finding for finding in json.loads(text)}
    assert code == Exit.FAILED
    assert findings["etcd"]["verdict"] == Verdict.BAD
    assert "install Go" in findings["etcd"]["cure"]
    assert findings["temporal"]["verdict"] == findings["ports"]["verdict"] == Verdict.GOOD
    _, text = said(capsys, "doctor", "--state", str(tmp_path))
    assert "To do before the next start" in text


def test_doctor_says_that_a_folder_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    code, text = said(capsys, "doctor", "--state", str(tmp_path / "file"), "-o", "json")
    folder = next(finding for finding in json.loads(text) if finding["what"] == "state folder")
    assert (code, folder["verdict"]) == (Exit.FAILED, Verdict.BAD)


@pytest.mark.stack
async def test_a_detached_stack_is_started_once_and_stopped_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(state_dir=tmp_path, cluster="memory", agent_command=(sys.executable, "-c", AGENT))
    status = await detached(options)
    try:
        assert status.ready
        with pytest.raises(StackError, match="already runs"):
            await detached(options)
        _, text = await asyncio.to_thread(said, capsys, "doctor", "--state", str(tmp_path), "-o", "json")
        assert f"supervisor pid {state.supervisor(tmp_path)}" in text
        _, text = await asyncio.to_thread(said, capsys, "status", "--state", str(tmp_path))
        assert status.endpoints.temporal_ui is not None
        assert status.endpoints.temporal_ui in text
    finally:
        code, _ = said(capsys, "down", "--state", str(tmp_path))
    assert code == Exit.DONE
    assert not any(state.alive(process.pid) for process in status.processes)
    assert "No stack runs" in said(capsys, "down", "--state", str(tmp_path))[1]
    ended = (tmp_path / "log/supervisor.log").read_text()
    assert ended == ""


@pytest.mark.stack
async def test_a_detached_stack_that_fails_says_why(tmp_path: Path) -> None:
    failing = (sys.executable, "-c", "import sys; sys.exit('no such key')")
    with pytest.raises(StackError, match=r"(?s)agents ended with 1.*no such key"):
        await detached(Options(state_dir=tmp_path, cluster="memory", agent_command=failing))
    assert state.supervisor(tmp_path) is None
