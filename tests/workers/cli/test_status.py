"""How the context store is, as `firebreak status` says it: read from its file, with nothing running."""

import json
from pathlib import Path

import pytest

from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND
from activities.graph.collected import BUILT_IN
from tests.activities.graph.past_files import MINUTE, remember
from tests.activities.graph.reach_worlds import pod
from workers import cli
from workers.remembering import now
from workers.stack import state
from workers.stack.layout import Layout
from workers.stack.memory import memory
from workers.stack.state import Process, Status

PODS = next(kind for kind in BUILT_IN if kind[0] == "Pod")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack that ran, and one pod of two in its context store, which wrote a minute ago."""
    layout = Layout(tmp_path)
    state.write(layout, Status(state_dir=str(tmp_path), processes=(Process(name="etcd"),)))
    layout.context.mkdir()
    at = now() - MINUTE
    changes = [(at, "ADDED", pod("a")), (at, "ADDED", pod("b")), (at, "DELETED", pod("a"))]
    remember(layout.context / "versions.db", changes, since=at - MINUTE, alive=at)
    return tmp_path


def test_the_status_says_how_much_is_remembered_and_how_late_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["status", "--state", str(folder), "-o", "json"])
    store = json.loads(capsys.readouterr().out)["context_store"]
    assert 59 < store.pop("lag_seconds") < 120
    assert store == {"objects": 1, "versions": 2, "gaps": 0, "broken": []}
    cli.main(["status", "--state", str(folder)])
    said = capsys.readouterr().out
    assert "context store: 1 objects, 2 versions, 0 gaps, last written" in said
    assert "LATE" in said


def test_a_watch_that_is_broken_now_is_named(folder: Path) -> None:
    writer = VersionWriter(Layout(folder).context / "versions.db")
    writer.recorder(PODS)
    writer.lost(PODS, now() - SECOND, "the API server is away")
    writer.note(alive=now())
    writer.close()
    found = memory(Layout(folder).context / "versions.db")
    assert found
    assert (found.broken, found.lag_seconds < 10) == (("Pod",), True)


def test_a_stack_without_a_store_or_with_a_damaged_one_has_a_status(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Layout(folder).context / "versions.db"
    for text in ("this is no database" * 99, None):
        file.write_text(text) if text else file.unlink()
        cli.main(["status", "--state", str(folder), "-o", "json"])
        assert json.loads(capsys.readouterr().out)["context_store"] is None
