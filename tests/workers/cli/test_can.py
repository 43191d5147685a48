"""`firebreak can`: one question and many, over a snapshot and over a live cluster."""

import io
import json
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.graph.rbac import GROUP
from tests.control_plane import ControlPlane
from workers.cli import Exit, main
from workers.cli.questions import typed

Manifest = dict[str, Any]
VERSION = f"{GROUP}/v1"
READ = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}
DEPLOY = {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments"]}
PROBE = {"verbs": ["get"], "nonResourceURLs": ["/healthz*"]}
BINDINGS = {"verbs": ["create"], "apiGroups": [GROUP], "resources": ["rolebindings"]}
USER = {"kind": "User", "apiGroup": GROUP, "name": "alice"}
GROUPED = {"kind": "Group", "apiGroup": GROUP, "name": "system:serviceaccounts:shop"}
ROLE, CLUSTER_ROLE = ({"apiGroup": GROUP, "kind": kind} for kind in ("Role", "ClusterRole"))
CLUSTER = [
    {"apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": "probe"}, "rules": [PROBE]},
    {
        "apiVersion": VERSION,
        "kind": "Role",
        "metadata": {"name": "dev", "namespace": "shop"},
        "rules": [READ, DEPLOY, BINDINGS],
    },
    {
        "apiVersion": VERSION,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "probes"},
        "roleRef": {**CLUSTER_ROLE, "name": "probe"},
        "subjects": [GROUPED],
    },
    {
        "apiVersion": VERSION,
        "kind": "RoleBinding",
        "metadata": {"name": "devs", "namespace": "shop"},
        "roleRef": {**ROLE, "name": "dev"},
        "subjects": [USER],
    },
]
DEVS = {"binding": "RoleBinding/shop/devs", "role": "Role/shop/dev"}


@pytest.fixture
def snapshot(tmp_path: Path) -> str:
    path = tmp_path / "cluster.yaml"
    path.write_text(
        yaml.safe_dump_all([*CLUSTER, {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}}])
    )
    return str(path)


def ask(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["can", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def answers(
    lines: list[str], snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> list[Manifest]:
    asked = tmp_path / "asked.jsonl"
    asked.write_text("\n".join(lines))
    code, out, _ = ask(["--snapshot", snapshot, "--requests", str(asked), *more], capsys)
    assert code == Exit.DONE
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (["get", "pods", "-n", "shop"], 0),
        (["get", "pods/log", "web-0", "-n", "shop"], 0),
        (["get", "pods"], 1),
        (["delete", "deployments", "-n", "shop"], 0),
        (["delete", "deployments.apps", "-n", "shop"], 0),
        (["delete", "deployments/scale.apps", "-n", "shop"], 1),
        (["get", "secrets", "-n", "shop"], 1),
        (["get", "/healthz"], 1),
    ],
)
def test_the_exit_code_answers_one_question(
    question: list[str], code: int, snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, _ = ask([*question, "--as", "alice", "--snapshot", snapshot], capsys)
    assert (got, out.split()[0]) == (code, ("yes", "no")[code])


def test_an_answer_names_binding_role_and_rule(snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
    question = ["get", "pods", "-n", "shop", "--as", "alice", "--snapshot", snapshot]
    _, out, _ = ask(question, capsys)
    assert "RoleBinding/shop/devs" in out
    assert "get,list pods,pods/log (core)" in out
    _, out, _ = ask([*question, "-o", "json"], capsys)
    reason = 'RBAC: allowed by RoleBinding "shop/devs" of Role "shop/dev" to User "alice"'
    assert json.loads(out) == {"allowed": True, "reason": reason, "by": [{**DEVS, "rule": READ}]}


def test_a_service_account_is_in_the_groups_that_the_api_server_gives_it(
    snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account = ["--as", "system:serviceaccount:shop:web", "--snapshot", snapshot]
    assert ask(["get", "/healthz/etcd", *account], capsys)[0] == 0
    assert ask(["get", "/healthz/etcd", *account, "--as-group", "x"], capsys)[0] == 1
    assert (
        ask(
            ["get", "/healthz", "--as", "bob", "--as-group", GROUPED["name"], "--snapshot", snapshot], capsys
        )[0]
        == 0
    )


def test_what_a_snapshot_lacks_and_what_is_left_out_is_said(
    snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = ask(["get", "pods", "--as", "alice", "--snapshot", snapshot], capsys)
    assert "1 x.io/v1 Thing" in err
    assert "default roles and bindings are not in this snapshot" in err


def test_requests_are_answered_one_a_line_in_order(
    snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = "system:serviceaccount:shop:web"
    lines = [
        {"user": "alice", "verb": "get", "resource": "pods", "namespace": "shop"},
        {
            "user": "alice",
            "groups": [],
            "verb": "get",
            "group": "apps",
            "resource": "pods",
            "namespace": "shop",
        },
        {"user": account, "verb": "get", "path": "/healthz"},
        {"user": account, "groups": [], "verb": "get", "path": "/healthz"},
        {"user": "root", "groups": ["system:masters"], "verb": "delete", "resource": "nodes", "name": None},
        {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"},
        {"groups": [GROUPED["name"]], "verb": "get", "path": "/healthz"},
    ]
    found = answers([json.dumps(line) for line in lines], snapshot, tmp_path, capsys, "--as", "alice")
    assert [one["allowed"] for one in found] == [True, False, True, False, True, True, True]
    assert found[0]["by"] == [{**DEVS, "rule": READ}]
    assert all(set(one) == {"allowed", "reason", "by"} for one in found)


def test_a_binding_in_a_request_is_judged_by_what_it_would_give(
    snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def line(ref: Manifest) -> str:
        binding = {"kind": "RoleBinding", "metadata": {"name": "new"}, "roleRef": ref, "subjects": [USER]}
        asked = {
            "user": "alice",
            "verb": "create",
            "group": GROUP,
            "resource": "rolebindings",
            "namespace": "shop",
        }
        return json.dumps({**asked, "object": binding})

    lines = [line({**ROLE, "name": "dev"}), line({**CLUSTER_ROLE, "name": "probe"})]
    own, others = answers(lines, snapshot, tmp_path, capsys)
    assert (own["allowed"], others["allowed"]) == (True, False)
    assert "would give what they do not hold: get /healthz*" in others["reason"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "truncated"),
        ("[]", "a request is a JSON object"),
        ('{"user": "a", "resource": "pods"}', "missing required field `verb`"),
        ('{"user": "a", "verb": "", "resource": "pods"}', "verb must not be empty"),
        ('{"user": "a", "verb": "get"}', "either a resource or a path"),
        ('{"user": "a", "verb": "get", "resource": "pods", "path": "/x"}', "either a resource or a path"),
        ('{"verb": "get", "resource": "pods"}', "nobody asks"),
        ('{"user": "a", "groups": "g", "verb": "get", "resource": "pods"}', "groups"),
        (f'{{"user": "a", "verb": "create", "group": "{GROUP}", "resource": "roles", "object": {{}}}}', "no name"),
        ("[" * 100_000, "recursion"),
    ],
)  # fmt: skip
def test_a_bad_line_is_answered_in_its_place_and_named(
    line: str, fault: str, snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps({"user": "alice", "verb": "get", "resource": "pods", "namespace": "shop"})
    first, bad, last = answers([good, line, good], snapshot, tmp_path, capsys)
    assert (first["allowed"], bad["allowed"], last["allowed"]) == (True, False, True)
    assert bad["error"].startswith(f"{tmp_path}/asked.jsonl:2: ")
    assert fault in bad["error"].lower() or fault in bad["error"]


def test_a_field_that_nobody_knows_is_named_beside_the_answer(
    snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = json.dumps({"user": "alice", "verb": "get", "resource": "pods", "namspace": "shop"})
    [found] = answers([line], snapshot, tmp_path, capsys)
    assert (found["allowed"], found["ignored"]) == (False, ["namspace"])


def test_requests_come_from_standard_input_as_well(
    snapshot: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = b'{"user": "alice", "verb": "get", "resource": "pods", "namespace": "shop"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n" + line + b"\xff\n")))
    code, out, err = ask(["--snapshot", snapshot, "--requests", "-"], capsys)
    first, second = map(json.loads, out.splitlines())
    assert (code, first["allowed"]) == (0, True)
    assert second["error"].startswith("standard input:3: ")
    assert "1 of the requests could not be understood" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["get"],
        ["get", "pods"],
        ["get", "pods", "--as-group", "devs"],
        ["get", "pods", "--requests", "x"],
        ["--requests", "x", "-n", "shop"],
        ["--requests", "/nonexistent"],
        ["--requests", "/"],
    ],
)
def test_wrong_use_is_told(arguments: list[str], snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask([*arguments, "--snapshot", snapshot], capsys)[0] == Exit.WRONG_USE


def test_a_broken_snapshot_is_named_by_file_and_line(
    snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(snapshot).open("a") as file:
        file.write(f"---\napiVersion: {VERSION}\nkind: Role\nmetadata: {{name: x}}\nrules: all\n")
    line = Path(snapshot).read_text().count("\n") - 3
    code, out, err = ask(["get", "pods", "--as", "alice", "--snapshot", snapshot], capsys)
    assert (code, out) == (Exit.WRONG_USE, "")
    assert f"{snapshot}:{line}: Role: rules must be a list" in err


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("pods", ("", "pods", "")),
        ("pods/log", ("", "pods", "log")),
        ("deployments", ("apps", "deployments", "")),
        ("deployments/scale", ("apps", "deployments", "scale")),
        ("deployments.apps/scale", ("apps", "deployments", "scale")),
        ("deployments/scale.apps", ("apps", "deployments", "scale")),
        ("roles.rbac.authorization.k8s.io", (GROUP, "roles", "")),
        ("widgets.example.com", ("example.com", "widgets", "")),
        ("*", ("", "*", "")),
        ("*.*", ("*", "*", "")),
    ],
)
def test_resources_are_understood_as_people_write_them(written: str, expected: tuple[str, str, str]) -> None:
    asked = typed("get", written, "", "").request
    assert (asked.group, asked.resource, asked.subresource) == expected


def test_how_a_question_was_understood_is_said() -> None:
    node = typed("get", "nodes", "", "shop")
    assert (node.request.namespace, len(node.notes)) == ("", 1)
    [note] = typed("get", "pod", "", "shop").notes
    assert "Is it pods?" in note
    assert typed("get", "widgets", "", "shop").notes == ()


@pytest.mark.stack
def test_a_live_cluster_is_asked_for_its_roles_and_for_who_i_am(
    control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    live = ["--kubeconfig", str(control_plane.layout.kubeconfig("admin"))]
    assert ask(["delete", "nodes", *live], capsys)[0] == 0
    assert ask(["delete", "nodes", *live, "--as", "nobody"], capsys)[0] == 1
    code, out, _ = ask(["get", "/healthz", *live, "--as", "nobody", "-o", "json"], capsys)
    assert code == 0
    assert json.loads(out)["by"][0]["role"] in {
        "ClusterRole/system:public-info-viewer",
        "ClusterRole/system:discovery",
    }
    oncall = ["--kubeconfig", str(control_plane.layout.kubeconfig("oncall"))]
    assert ask(["get", "pods", *oncall], capsys)[0] == Exit.REFUSED


def test_ten_thousand_requests_over_three_thousand_bindings_take_three_seconds(tmp_path: Path) -> None:
    dice = random.Random(8)
    roles = [
        {**CLUSTER[0], "metadata": {"name": f"role-{n}"}, "rules": [READ, DEPLOY, PROBE]} for n in range(500)
    ]
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns-{n}"}} for n in range(500)]
    bindings = [binding(dice, number) for number in range(3000)]
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    (tmp_path / "c.yaml").write_text(yaml.dump_all([*spaces, *roles, *bindings], Dumper=dumper))
    lines = (
        {
            "user": f"system:serviceaccount:ns-{dice.randrange(500)}:web",
            "verb": dice.choice(("get", "delete")),
            "resource": "pods",
            "namespace": f"ns-{dice.randrange(500)}",
        }
        for _ in range(10_000)
    )
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert min(_seconds(tmp_path) for _ in range(3)) < 3.0


def _seconds(folder: Path) -> float:
    """Return the processor time of one run over the folder's cluster."""
    command = [
        "-c",
        "from workers.cli import entry; entry()",
        "can",
        "--snapshot",
        "c.yaml",
        "--requests",
        "q.jsonl",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, check=True, timeout=50)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(done.stdout.splitlines()) == 10_000
    assert b'"allowed":true' in done.stdout
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def binding(dice: random.Random, number: int) -> Manifest:
    """Return one of many bindings: every sixth holds everywhere."""
    everywhere = number % 6 == 0
    place = {} if everywhere else {"namespace": f"ns-{number % 500}"}
    return {
        "apiVersion": VERSION,
        "kind": "ClusterRoleBinding" if everywhere else "RoleBinding",
        "metadata": {"name": f"b-{number}", **place},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": f"role-{dice.randrange(500)}"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "web", "namespace": f"ns-{dice.randrange(500)}"},
            {"kind": "User", "apiGroup": GROUP, "name": f"user-{dice.randrange(300)}"},
        ],
    }
