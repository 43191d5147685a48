"""`firebreak connections`: pairs and single questions, over a snapshot and over a live cluster."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.graph.manifests import KINDS
from tests.control_plane import ControlPlane
from workers.cli import Exit, listing, main
from workers.cli.verbs import connections

Manifest = dict[str, Any]
TEMPLATE: Manifest = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "main", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}]
    },
}
WEB: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
}
DB: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "db", "namespace": "shop", "labels": {"app": "db"}},
    "spec": {"containers": [{"name": "main", "image": "db:1"}]},
}
RULES: Manifest = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]},
            {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]},
        ],
    },
}
DENY: Manifest = {
    "apiVersion": "policy.networking.k8s.io/v1alpha1",
    "kind": "AdminNetworkPolicy",
    "metadata": {"name": "no-nodes"},
    "spec": {
        "priority": 1,
        "subject": {"namespaces": {}},
        "egress": [{"action": "Deny", "to": [{"nodes": {}}]}],
    },
}
EVERY = [{"protocol": protocol, "ports": [[1, 65535]]} for protocol in ("TCP", "UDP", "SCTP")]


def write(path: Path, *objects: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


@pytest.fixture
def snapshot(tmp_path: Path) -> str:
    return write(tmp_path / "cluster.yaml", WEB, DB, RULES)


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["connections", "-o", "json", *arguments]) == Exit.DONE
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_pairs_are_listed_as_json(snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "--snapshot", snapshot, "--to", "shop/db") == [
        {
            "src": "shop/web[Deployment]",
            "dst": "shop/db[Pod]",
            "connections": [{"protocol": "TCP", "ports": [[5432, 5432]]}],
        },
        {"src": "203.0.113.0-203.0.113.255", "dst": "shop/db[Pod]", "connections": EVERY},
    ]
    assert listed(capsys, "--snapshot", snapshot, "--from", "shop/db[Pod]") == []


def test_pairs_are_listed_as_yaml_and_for_people(snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
    ends = ["--snapshot", snapshot, "--from", "shop/web", "--to", "shop/db"]
    assert main(["connections", *ends, "-o", "yaml"]) == Exit.DONE
    assert yaml.safe_load(capsys.readouterr().out) == listed(capsys, *ends)
    assert main(["connections", *ends]) == Exit.DONE
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["FROM", "TO", "PORTS"]
    assert row.split() == ["shop/web[Deployment]", "shop/db[Pod]", "TCP", "5432"]


def test_a_long_list_is_cut_for_people_and_says_so(
    snapshot: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SHOWN", 2)
    assert main(["connections", "--snapshot", snapshot]) == Exit.DONE
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    everything = len(listed(capsys, "--snapshot", snapshot))
    assert f"{everything - 2} more" in shown.err


def test_what_cannot_be_said_is_called_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "cluster.yaml", DB, DENY)
    found = listed(capsys, "--snapshot", path, "--from", "shop/db")
    assert {row["dst"] for row in found} == {
        "0.0.0.0-255.255.255.255",
        "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    }
    assert all(row["connections"] == [] and row["unknown"] == EVERY for row in found)
    assert main(["connections", "--snapshot", path, "--from", "shop/db"]) == Exit.DONE
    assert "unknown: all" in capsys.readouterr().out


def answers(
    capsys: pytest.CaptureFixture[str], path: str, questions: str | Path, code: int = Exit.DONE
) -> list[dict[str, Any]]:
    assert main(["connections", "--snapshot", path, "--probe", str(questions)]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_questions_are_answered_in_their_order_with_who_decided(
    snapshot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        {"from": "shop/web", "to": "shop/db", "protocol": "TCP", "port": 5432},
        {"from": "shop/web", "to": "shop/db", "protocol": "UDP", "port": 5432},
        {"from": "shop/db", "to": "192.0.2.1", "protocol": "TCP", "port": 443},
        {"from": "shop/web", "to": "2001:db8::1", "port": 443},
    ]
    questions = tmp_path / "questions"
    questions.write_text("\n\n".join(map(json.dumps, asked)))
    by = {"kind": "NetworkPolicy", "policy": "shop/db"}
    assert answers(capsys, snapshot, questions) == [
        {"allowed": True, "by": [{"direction": "ingress", **by, "rule": 0}]},
        {"allowed": False, "by": [{"direction": "ingress", **by, "rule": None}]},
        {"allowed": False, "by": [{"direction": "egress", **by, "rule": None}]},
        {"allowed": True, "by": []},
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"from": "shop/nobody", "to": "shop/db", "port": 80}',
        '{"from": "shop/web", "to": "shop/db", "port": 65536}',
        '{"from": "shop/web", "to": "shop/db", "port": "http"}',
        '{"from": "shop/web", "port": 80}',
        "[]",
        "{",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_a_question_that_cannot_be_answered_is_unknown_and_stops_no_other(
    line: str, snapshot: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = '{"from": "shop/web", "to": "shop/db", "port": 5432}'
    stream = io.TextIOWrapper(io.BytesIO(f"{line}\n{good}\n".encode("latin-1")))
    monkeypatch.setattr(sys, "stdin", stream)
    first, second = answers(capsys, snapshot, "-")
    assert (first["allowed"], first["by"]) == ("unknown", [])
    assert first["error"].startswith("standard input:1: ")
    assert second["allowed"] is True


def test_an_unknown_verdict_is_never_a_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "cluster.yaml", DB, DENY)
    questions = tmp_path / "questions"
    questions.write_text('{"from": "shop/db", "to": "192.0.2.1", "port": 80}')
    (answer,) = answers(capsys, path, questions)
    by = {"direction": "egress", "kind": "AdminNetworkPolicy", "policy": "no-nodes", "rule": 0}
    assert answer == {"allowed": "unknown", "by": [by]}


def test_a_pod_on_its_nodes_network_is_what_one_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = {**DB, "spec": {**DB["spec"], "hostNetwork": True}}
    path = write(tmp_path / "cluster.yaml", WEB, host, RULES)
    ends = ["--snapshot", path, "--from", "shop/web", "--to", "shop/db"]
    assert listed(capsys, *ends)[0]["connections"] == [{"protocol": "TCP", "ports": [[5432, 5432]]}]
    assert listed(capsys, *ends, "--host-network", "node")[0]["connections"] == EVERY


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "shop/nobody"], "no workload, pod or address shop/nobody"),
        (["--to", "10.0.0.300"], "no workload, pod or address 10.0.0.300"),
        (["--probe", "/nowhere/at/all"], "cannot be read"),
    ],
)
def test_wrong_use_is_said_in_words(
    arguments: list[str], told: str, snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connections", "--snapshot", snapshot, *arguments]) == Exit.WRONG_USE
    assert told in capsys.readouterr().err


def test_kinds_that_mean_nothing_here_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    things = [{"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": name}} for name in "ab"]
    path = write(tmp_path / "cluster.yaml", DB, *things)
    assert main(["connections", "--snapshot", path]) == Exit.DONE
    assert "Ignored: 2 x.io/v1 Thing." in capsys.readouterr().err


def test_a_broken_policy_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {**RULES, "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "x"}}]}]}}
    path = write(tmp_path / "cluster.yaml", DB, broken)
    assert main(["connections", "--snapshot", path]) == Exit.WRONG_USE
    assert "NetworkPolicy shop/db cannot be understood" in capsys.readouterr().err


def test_what_somebody_wrote_into_a_name_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {**DB, "metadata": {"name": "d\x1b[31m\x7fb", "namespace": "shop"}}
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [evil, WEB]}))
    for form in ("table", "json", "yaml"):
        assert main(["connections", "--snapshot", str(path), "-o", form]) == Exit.DONE
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "\x7f" not in shown


def test_its_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom workers.cli import main\nmain(['connections', '--help'])\n"
        "print([n for n in ('asyncio', 'yaml', 'rich', 'msgspec', 'pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.stack
def test_a_live_cluster_is_asked_when_no_snapshot_is_named(
    control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    space = "connections-live"
    admin = control_plane.admin
    assert admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}).status in (
        200,
        201,
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    assert admin.create(account, space).status in (201, 409)
    for manifest in (WEB, DB, RULES):
        moved = {**manifest, "metadata": {**manifest["metadata"], "namespace": space}}
        answer = admin.create(moved)
        assert answer.status == 201, answer
    live = ["--kubeconfig", str(control_plane.layout.kubeconfig("admin"))]
    found = listed(capsys, *live, "--to", f"{space}/db")
    assert [row["src"] for row in found] == [f"{space}/web[Deployment]", "203.0.113.0-203.0.113.255"]


def test_every_kind_that_is_asked_of_a_cluster_is_one_that_is_understood() -> None:
    for kind, resource in listing.KINDS:
        assert (resource.group, kind) in KINDS
