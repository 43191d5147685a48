"""The status document, and who holds a state folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from signals.errors import StackError
from workers.stack import state
from workers.stack.layout import Layout
from workers.stack.state import Process, Status, held, read, supervisor


def document(root: Path, *processes: Process) -> Status:
    return Status(ready=True, state_dir=str(root), processes=processes)


def test_the_status_of_a_folder_in_which_nothing_ever_ran_is_not_ready(tmp_path: Path) -> None:
    status = read(tmp_path)
    assert (status.ready, status.processes, status.endpoints.temporal) == (False, (), None)


def test_what_runs_is_ready_as_long_as_its_supervisor_holds_the_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with held(layout):
        state.write(layout, document(tmp_path, Process(name="etcd", pid=os.getpid(), ready=True)))
        assert read(tmp_path).ready
    assert not read(tmp_path).ready


def test_a_process_that_died_without_a_word_is_not_ready(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    layout = Layout(tmp_path)
    with held(layout):
        alive = Process(name="nats", pid=os.getpid(), ready=True)
        state.write(layout, document(tmp_path, alive, Process(name="etcd", pid=dead.pid, ready=True)))
        status = read(tmp_path)
    assert not status.ready
    assert status.process("etcd") == Process(name="etcd")
    assert status.process("nats") == alive


def test_a_second_stack_on_one_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    with held(Layout(tmp_path)):
        assert supervisor(tmp_path) == os.getpid()
        with pytest.raises(StackError, match=rf"already runs on .*pid {os.getpid()}.*firebreak down --state"):
            held(Layout(tmp_path)).__enter__()
    assert supervisor(tmp_path) is None


def test_a_folder_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot be written"):
        held(Layout(tmp_path / "file")).__enter__()


def test_a_document_that_is_none_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    Layout(tmp_path).status.write_text("{")
    with pytest.raises(StackError, match=r"status\.json cannot be read"):
        read(tmp_path)


def test_what_an_earlier_stack_left_is_found_by_its_folder_and_not_by_its_number(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    waiting = "import sys; sys.stdin.read()"
    ours = subprocess.Popen([sys.executable, "-c", waiting, str(tmp_path)], stdin=subprocess.PIPE)
    other = subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE)
    with ours, other:
        state.write(
            layout,
            document(tmp_path, Process(name="etcd", pid=ours.pid), Process(name="nats", pid=other.pid)),
        )
        left = state.leftovers(layout)
        ours.kill()
        other.kill()
    assert [process.name for process in left] == ["etcd"]
    state.no_leftovers(layout)
