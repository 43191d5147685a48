"""What a snapshot reads, what it leaves out, and how it names what is broken."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.graph.manifests import Snapshot, read
from signals.errors import BadInput

ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "r", "namespace": "a"},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "b"},
    "spec": {"containers": []},
}
TYPED = {"apiVersion": ROLE["apiVersion"], "kind": "RoleList", "items": [{"metadata": ROLE["metadata"]}]}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def named(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    return [(found.object["kind"], Path(found.file).name, found.line) for found in snapshot.objects]


def test_every_object_knows_the_file_and_line_at_which_it_begins(tmp_path: Path) -> None:
    both = yaml.safe_dump_all([ROLE, POD], explicit_start=True)
    write(tmp_path, "a.yaml", f"# two\n{both}")
    write(
        tmp_path,
        "b/c.yml",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: n}\nkind: List\n",
    )
    write(
        tmp_path,
        "d.json",
        json.dumps({"kind": "List", "items": [{**POD, "metadata": {"name": "q"}}]}, indent=1),
    )
    write(tmp_path, "notes.txt", "not: [ a manifest")
    write(tmp_path, ".git/x.yaml", "not: [ a manifest")
    assert named(read(tmp_path)) == [
        ("Role", "a.yaml", 3),
        ("Pod", "a.yaml", 9),
        ("Node", "c.yml", 3),
        ("Pod", "d.json", 4),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one.json", json.dumps(ROLE)),
        ("list.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [ROLE]})),
        ("array.json", json.dumps([ROLE])),
        ("stream.json", f"{json.dumps(ROLE)}\n{json.dumps(ROLE)}"),
        ("typed.json", json.dumps(TYPED)),
        ("nested.json", json.dumps({"kind": "List", "items": [{"kind": "List", "items": [ROLE]}]})),
        ("flow.yaml", json.dumps(ROLE)),
        ("marked.yaml", f"--- {json.dumps(ROLE)}\n...\n"),
        ("directive.yaml", f"%YAML 1.1\n---\n{yaml.safe_dump(ROLE)}"),
        ("windows.yaml", yaml.safe_dump(ROLE).replace("\n", "\r\n")),
        ("typed.yaml", yaml.safe_dump(TYPED)),
        ("bom.yaml", "\ufeff" + yaml.safe_dump(ROLE)),
        ("no-ending", yaml.safe_dump(ROLE)),
    ],
)  # fmt: skip
def test_all_common_forms_are_read_alike(name: str, text: str, tmp_path: Path) -> None:
    assert [found.object for found in read(write(tmp_path, name, text)).objects] == [ROLE]


def test_unknown_kinds_are_ignored_and_counted_and_the_group_belongs_to_a_kind(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [
        {**POD, "apiVersion": "example.com/v1"},
        {**ROLE, "kind": "Gateway"},
        {"replicas": 3},
    ]
    snapshot = read(write(tmp_path, "x.yaml", yaml.safe_dump_all([*others, others[0], POD])))
    assert dict(snapshot.ignored) == {
        "example.com/v1 Pod": 2,
        "rbac.authorization.k8s.io/v1 Gateway": 1,
        "objects without a kind": 1,
    }
    assert [found.object["kind"] for found in snapshot.objects] == ["Pod"]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", "kind: Role\n---\nkind: Role\nrules: [\n---\nkind: Role\n", 5),
        ("b.yaml", "a: 1\n---\na: b: c\n", 3),
        ("c.json", '{"a": 1,\n "b": }', 2),
        ("d.yaml", "x: 1\n---\n- just\n- a list\n", 3),
        ("e.yaml", "x: 1\n---\napiVersion: v1\nkind: Pod\n", 3),
        ("f.yaml", "x: 1\n---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: a}\n", 3),
        ("g.yaml", "x: 1\n---\nkind: Pod\nmetadata: {name: a}\n", 3),
        ("h.yaml", "x: 1\n---\nname: {{ .Values.name }}\n", 3),
        ("i.yaml", "x: 1\n---\nname: a\x07b\n", 3),
        ("j.yaml", "x: 1\n---\n? [a]\n: b\n", 3),
        ("k.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n", 1),
        ("l.yaml", "x: " + "[" * 5000, 1),
        ("m.json", "[" * 100_000, 1),
        ("n.yaml", "apiVersion: v1\nkind: List\nitems:\n- 7\n", 4),
        ("o.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: 1}}\n", 1),
    ],
)
def test_a_broken_document_is_named_by_file_and_line(name: str, text: str, line: int, tmp_path: Path) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(BadInput, match=rf"{name}:{line}: "):
        read(path)


def test_all_broken_documents_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "kind: Pod\n---\n\n\nx: [\n")
    (tmp_path / "b.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(BadInput) as raised:
        read(tmp_path)
    assert [line.rpartition("/")[2].split(": ")[0] for line in str(raised.value).splitlines()] == [
        "a.yaml:1",
        "a.yaml:6",
        "b.yaml:2",
    ]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(BadInput, match=str(tmp_path)):
            read(path)


def test_a_later_manifest_for_the_same_object_counts(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", yaml.safe_dump({**ROLE, "rules": []}))
    write(tmp_path, "b.yaml", yaml.safe_dump({**ROLE, "rules": [{"verbs": ["get"]}]}))
    assert [found.object["rules"] for found in read(tmp_path).objects] == [[{"verbs": ["get"]}]]


def test_namespaces_that_are_only_mentioned_exist_with_their_name_label(tmp_path: Path) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"x": "y"}}}
    bare = {**POD, "metadata": {"name": "p"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "namespace": "nowhere"}}
    snapshot = read(write(tmp_path, "x.yaml", yaml.safe_dump_all([ROLE, POD, namespace, bare, node])))
    assert snapshot.namespaces() == {
        "a": {"x": "y", "kubernetes.io/metadata.name": "a"},
        "b": {"kubernetes.io/metadata.name": "b"},
        "default": {"kubernetes.io/metadata.name": "default"},
    }
    named = [(found.object["kind"], found.object["metadata"]["name"]) for found in snapshot.objects]
    assert [name for kind, name in named if kind in ("Pod", "Node")] == ["p", "p", "n"]


def test_what_json_does_not_have_is_text(tmp_path: Path) -> None:
    moment = "apiVersion: v1\nkind: Node\nmetadata: {name: n, creationTimestamp: 2026-01-02T03:04:05Z}\n"
    [node] = read(write(tmp_path, "x.yaml", moment)).objects
    assert node.object["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"
