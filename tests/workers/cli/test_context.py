"""The past on the command line, from the file alone: nothing else runs in any of these tests."""

import json
import random
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.version_causes import Done, explain
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND
from activities.graph.collected import BUILT_IN
from activities.graph.past import micros
from tests.activities.graph.past_worlds import World
from workers import cli
from workers.cli.moments import moment
from workers.remembering import now

KINDS = {kind[0]: kind for kind in BUILT_IN}
RBAC = "rbac.authorization.k8s.io"
MINUTE = 60 * SECOND


def role(revision: str, verbs: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "shop", "uid": "role", "resourceVersion": revision},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}],
    }


BINDING = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "b", "namespace": "shop", "uid": "binding", "resourceVersion": "11"},
    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "r"},
    "subjects": [{"kind": "User", "name": "eve"}],
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a stack's folder in which eve could read secrets from 40 to 20 minutes ago, thanks to mallory."""
    (tmp_path / "context").mkdir()
    writer = VersionWriter(tmp_path / "context" / "versions.db")
    at = now()
    recorders = {name: writer.recorder(KINDS[name]) for name in ("Role", "RoleBinding", "ClusterRole")}
    roles = recorders["Role"]
    with writer.transaction():
        for name, recorder in recorders.items():
            recorder.listing()
            steps = [*recorder.listed("10", at - 61 * MINUTE, at - 60 * MINUTE)]
            writer.write(KINDS[name], steps, "10", recorder.heard)
            writer.lost(KINDS[name], None)
        binding = [*recorders["RoleBinding"].changed("ADDED", BINDING, at - 50 * MINUTE, None)]
        writer.write(KINDS["RoleBinding"], binding, "11", at)
        steps = [*roles.changed("ADDED", role("12", ["list"]), at - 50 * MINUTE, None)]
        steps += roles.changed("MODIFIED", role("13", ["get", "list"]), at - 40 * MINUTE, None)
        steps += roles.changed("DELETED", role("14", ["get", "list"]), at - 20 * MINUTE, None)
        writer.write(KINDS["Role"], steps, "14", at)
        writer.note(alive=at)
        done = {"audit_id": "a-1", "user": "mallory", "verb": "patch", "kind": "Role", "namespace": "shop"}
        changed = at - 40 * MINUTE - 5000
        assert explain(
            writer,
            Done(**done, name="r", uid="", revision="", received=changed - 900, done=changed),
        )
    writer.close()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> tuple[int, str, str]:
    code = cli.main([*arguments, "--state", str(state)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(("at", "code"), [("-10m", 1), ("-30m", 0), ("45m ago", 1), ("-55m", 1)])
def test_who_could_do_what_is_answered_for_the_moment_that_was_asked_about(
    capsys: pytest.CaptureFixture[str], state: Path, at: str, code: int
) -> None:
    question = ("can", "--at", at, "--as", "eve", "get", "secrets", "-n", "shop")
    assert run(capsys, state, *question)[0] == code


def test_a_moment_before_the_first_listing_is_answered_with_what_is_not_known(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    _, _, doubts = run(capsys, state, "can", "--at", "-3h", "--as", "eve", "get", "secrets", "-n", "shop")
    assert "is known only from objects that still were then" in doubts


def test_a_state_is_a_list_that_snapshot_reads(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, state, "context", "at", "-30m", "-o", "json")
    document = json.loads(out)
    assert code == 0
    assert [item["kind"] for item in document["items"]] == ["Role", "RoleBinding"]
    assert document["uncertain"] == []
    file = tmp_path / "then.json"
    file.write_text(out)
    asked = ("can", "--snapshot", str(file), "--as", "eve", "get", "secrets", "-n", "shop")
    assert run(capsys, state, *asked)[0] == 0


def test_a_history_names_who_made_a_version_and_where_it_differs(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    _, out, _ = run(capsys, state, "context", "history", "role/shop/r", "-o", "json")
    first, second = json.loads(out)
    assert (first["changed"], second["changed"]) == (["created"], ["rules"])
    assert second["cause"] == {"user": "mallory", "verb": "patch", "audit_id": "a-1"}
    assert first["cause"] is None
    assert first["ends"]["at"] == second["begins"]["at"]
    assert second["ends"] is not None
    code, _, error = run(capsys, state, "context", "history", "role/shop/nobody")
    assert (code, "has never seen role/shop/nobody" in error) == (1, True)


def test_two_moments_differ_in_what_was_changed_between_them(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    _, out, _ = run(capsys, state, "context", "diff", "-45m", "-30m", "-o", "json")
    (one,) = json.loads(out)
    assert (one["what"], one["name"], one["where"]) == ("changed", "r", ["rules"])
    assert one["cause"]["user"] == "mallory"
    _, out, _ = run(capsys, state, "context", "diff", "-30m", "-10m", "-o", "json")
    assert [(one["what"], one["name"]) for one in json.loads(out)] == [("deleted", "r")]


def test_the_status_says_how_much_is_remembered(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    _, out, _ = run(capsys, state, "context", "-o", "json")
    document = json.loads(out)
    assert (document["objects"], document["versions"]) == (1, 3)
    assert document["lag_seconds"] < 60


def test_a_slice_is_taken_out_and_proves_itself_and_a_changed_one_does_not(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "past.jsonl"
    cut = ("context", "export", "--incident", "i", "--since", "-1h", "-n", "shop", str(file), "-o", "json")
    code, out, _ = run(capsys, state, *cut)
    head = json.loads(out)["head"]
    assert (code, json.loads(out)["versions"]) == (0, 3)
    assert run(capsys, state, "context", "verify", str(file), "--head", f"sha256:{head}")[0] == 0
    assert run(capsys, state, *cut)[0] == 2
    file.write_bytes(file.read_bytes().replace(b"eve", b"bob"))
    code, _, error = run(capsys, state, "context", "verify", str(file))
    assert (code, "was changed" in error) == (2, True)


def test_an_incident_of_which_nothing_was_kept_says_how_to_cut_it(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    code, _, error = run(capsys, state, "context", "export", "--incident", "i", str(tmp_path / "x"))
    assert (code, "--since T" in error) == (1, True)


def test_a_file_that_is_no_store_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = run(capsys, tmp_path, "context")
    assert (code, "There is no context store" in error) == (2, True)
    strange = tmp_path / "strange.db"
    strange.write_text(
        "this is no database, whatever its name says, and it is long enough to be read as one" * 9
    )
    code, _, error = run(capsys, tmp_path, "context", "status", "--store", str(strange))
    assert (code, "is no context store" in error) == (2, True)


def test_the_file_is_read_while_it_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = World(tmp_path / "versions.db", random.Random(5))
    made.live_on(50)
    with made.writer.transaction():
        made.writer.note(alive=1)
        code, out, _ = run(capsys, tmp_path, "context", "status", "--store", str(made.path), "-o", "json")
    assert (code, json.loads(out)["objects"]) == (0, len(made.live))
    made.writer.close()


def test_moments_are_read_as_people_type_them() -> None:
    current = datetime.now(UTC)
    for text, back in (("-15m", 900), ("15m ago", 900), ("2h", 7200), ("-3d", 259200), ("now", 0)):
        assert abs(moment(text) - (current - timedelta(seconds=back))) < timedelta(seconds=5)
    assert micros(moment("2026-05-04T14:03:22.5Z")) == 1777903402500000
    assert moment("2026-05-04T14:03:22+02:00") == moment("2026-05-04 12:03:22")


@pytest.mark.parametrize(
    "text", ["", "soon", "-15", "15", "2999-01-01", "99999999999999d", "2026-13-01", "-m"]
)
def test_what_is_no_moment_of_the_past_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        moment(text)
