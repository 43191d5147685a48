"""`firebreak reach`: the answer for machines and people, cuts, and the picture."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from signals.asked import ReachAnswer
from tests.activities.graph.reach_worlds import RBAC, Manifest, account, allowing, node, pod, rule, secret
from tests.control_plane import ControlPlane
from workers.cli import Exit, main

CLUSTER: list[Manifest] = [
    pod("web", serviceAccountName="web"),
    pod("db", nodeName="n", container={"securityContext": {"privileged": True}}),
    node("n"),
    secret("a"),
    *allowing("sa/shop/web", rule("get", "secrets"), rule("create", "pods/exec", names="db")),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump_all(CLUSTER))
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], files: Path, *arguments: str) -> Any:
    code = main(
        [
            "reach",
            "--from",
            "pod/shop/web",
            "--snapshot",
            str(files / "cluster.yaml"),
            "-o",
            "json",
            *arguments,
        ]
    )
    assert code == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    ReachAnswer.model_validate(told)
    return told


def test_the_answer_names_each_step_and_who_grants_it(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    told = asked(capsys, files)
    assert (told["from"], told["at"], told["cluster_admin"]) == ("pod/shop/web", None, False)
    row = next(one for one in told["reached"] if one["entity"] == "secret/shop/a")
    assert (row["tier"], row["hops"]) == ("direct", 2)
    assert row["path"][1] == {
        "edge": "SECRET_READ",
        "from": "sa/shop/web",
        "to": "secret/shop/a",
        "granted_by": {
            "object": "RoleBinding/shop/r",
            "uid": None,
            "resource_version": "5",
            "role": "Role/shop/r",
            "rule": {"apiGroups": [""], "verbs": ["get"], "resources": ["secrets"]},
        },
        "conditions": [],
    }
    assert any("no ServiceAccount is in the data" in line for line in told["missing"])


def test_one_target_has_its_way_and_others(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    told = asked(capsys, files, "--to", "node/n")
    assert [row["entity"] for row in told["reached"]] == ["node/n"]
    assert [hop["edge"] for hop in told["reached"][0]["path"]] == ["RUNS_AS", "POD_EXEC", "ESCAPE"]
    assert told["alternatives"] == []
    assert asked(capsys, files, "--to", "secret/shop/none")["reached"] == []


def test_a_cut_is_asked_again(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    gone = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "r", "namespace": "shop"}}
    (files / "cut.yaml").write_text(yaml.safe_dump({**gone, "$patch": "delete"}))
    told = asked(capsys, files, "--to", "secret/shop/a", "--cut", str(files / "cut.yaml"))
    assert told["reached"] == []
    assert told["cut"]["changes"] == ["remove RoleBinding/shop/r"]
    assert told["cut"]["closes"] is True
    assert {"entity": "secret/shop/a", "was": "direct", "now": None} in told["cut"]["closed"]
    assert told["cut"]["opened"] == []


def test_a_cut_that_names_nothing_that_is_there_is_an_error(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    cut, cluster = files / "cut.yaml", str(files / "cluster.yaml")
    cut.write_text(yaml.safe_dump({**secret("none"), "$patch": "delete"}))
    assert (
        main(["reach", "--from", "pod/shop/web", "--snapshot", cluster, "--cut", str(cut)]) == Exit.WRONG_USE
    )
    assert "there is no Secret/shop/none that could be removed" in capsys.readouterr().err


def test_people_get_a_table_or_a_tree(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    common = ["reach", "--from", "pod/shop/web", "--snapshot", str(files / "cluster.yaml")]
    assert main(common) == Exit.DONE
    table = capsys.readouterr().out
    assert re.search(
        r"secret/shop/a +direct +2 +SECRET_READ +RoleBinding/shop/r@5 of Role/shop/r: get secrets", table
    )
    assert main([*common, "--tree"]) == Exit.DONE
    assert "  RUNS_AS sa/shop/web\n    POD_EXEC pod/shop/db\n      ESCAPE node/n\n" in capsys.readouterr().out
    assert main([*common, "--to", "secret/shop/a"]) == Exit.DONE
    assert "  sa/shop/web → secret/shop/a  SECRET_READ\n" in capsys.readouterr().out


@pytest.mark.stack
def test_a_live_cluster_is_asked_with_the_rights_of_the_person(
    control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    space, admin = "reach-live", control_plane.admin
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    keys = secret("keys", space, stringData={"password": "hunter2"})
    for one in (
        account("bot", space),
        keys,
        *allowing(f"sa/{space}/bot", rule("get", "secrets"), namespace=space),
    ):
        bare = {key: value for key, value in one["metadata"].items() if key in ("name", "namespace")}
        assert admin.create({**one, "metadata": bare}, space).status in (201, 409)
    kubeconfig = str(control_plane.layout.kubeconfig("admin"))
    assert main(["reach", "--from", f"sa/{space}/bot", "--kubeconfig", kubeconfig, "-o", "json"]) == Exit.DONE
    out = capsys.readouterr().out
    told = json.loads(out)
    ReachAnswer.model_validate(told)
    found = {row["entity"]: row for row in told["reached"]}
    assert found[f"secret/{space}/keys"]["tier"] == "direct"
    granted = found[f"secret/{space}/keys"]["path"][-1]["granted_by"]
    assert granted["object"] == f"RoleBinding/{space}/r"
    assert granted["uid"]
    assert granted["resource_version"]
    assert told["at"].endswith("Z")
    assert told["cluster_admin"] is False
    assert "hunter2" not in out


HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\"'&"


def test_the_picture_runs_nothing_whatever_things_are_called(files: Path) -> None:
    evil = [
        pod(
            "web", serviceAccountName=HOSTILE, volumes=[{"name": HOSTILE, "secret": {"secretName": HOSTILE}}]
        ),
        *allowing("user/x", rule("get", "secrets"), name="q"),
    ]
    (files / "evil.yaml").write_text(yaml.safe_dump_all(evil))
    page = files / "page.html"
    common = ["reach", "--from", "pod/shop/web", "--snapshot", str(files / "evil.yaml")]
    assert main([*common, "--html", str(page)]) == Exit.DONE
    text = page.read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(text)
    assert seen.tags <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "p",
            "span",
            "b",
            "code",
            "div",
            "br",
        ),
        *("svg", "g", "rect", "text", "path", "table", "tr", "th", "td"),
    }
    assert not [name for name in seen.attributes if name in ("src", "href", "style") or name.startswith("on")]
    assert "\u202e" not in text
    assert "default-src 'none'" in text
    assert "url(" not in text


class Seen(HTMLParser):
    """All tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
