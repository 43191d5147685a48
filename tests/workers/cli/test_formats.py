"""What other tools read and write: requests, answers, ends and ports, exactly as they are promised."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from workers import cli

ALL = [{"protocol": protocol, "ports": [[1, 65535]]} for protocol in ("TCP", "UDP", "SCTP")]
V4, V6 = "0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
CONTAINERS = "spec: {containers: [{name: c, image: x, ports: [{name: http, containerPort: 8080}]}]}"
TEMPLATE = f"template: {{metadata: {{labels: {{app: LABEL}}}}, {CONTAINERS}}}"
WORKLOADS = {
    "web[Deployment]": f"kind: Deployment, spec: {{replicas: 2, {TEMPLATE}}}",
    "ds[DaemonSet]": f"kind: DaemonSet, spec: {{{TEMPLATE}}}",
    "sts[StatefulSet]": f"kind: StatefulSet, spec: {{{TEMPLATE}}}",
    "rs[ReplicaSet]": f"kind: ReplicaSet, spec: {{{TEMPLATE}}}",
    "once[Job]": f"kind: Job, spec: {{{TEMPLATE}}}",
    "cron[CronJob]": f"kind: CronJob, spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{{TEMPLATE}}}}}}}",
    "rc[ReplicationController]": f"kind: ReplicationController, spec: {{{TEMPLATE}}}",
    "bare[Pod]": f"kind: Pod, {CONTAINERS}",
    "gone-7d9[ReplicaSet]": f"kind: Pod, {CONTAINERS}",
    "host[Pod]": "kind: Pod, spec: {hostNetwork: true, containers: [{name: c, image: x}]}",
}
GROUPS = {"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1", "ReplicationController": "v1"}
NO_ENDS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
{apiVersion: example.com/v1, kind: Strange, metadata: {name: one}}
---
{apiVersion: example.com/v1, kind: Strange, metadata: {name: two}}
"""


def workload(end: str, said: str) -> str:
    name, kind = end.rstrip("]").split("[")
    owner, shown = "", name
    if said.startswith("kind: Pod") and kind != "Pod":
        shown = f"{name}-x2x4z"
        of = f"apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true"
        owner = f", ownerReferences: [{{{of}}}]"
    group = "v1" if said.startswith("kind: Pod") else GROUPS.get(kind, "apps/v1")
    metadata = f"{{name: {shown}, namespace: shop, labels: {{app: {name}}}{owner}}}"
    return f"{{apiVersion: {group}, metadata: {metadata}, {said.replace('LABEL', name)}}}"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with one workload of each kind in several documents, and things that are no ends."""
    folder = tmp_path / "manifests" / "deeper"
    folder.mkdir(parents=True)
    documents = "\n---\n".join(workload(*one) for one in WORKLOADS.items())
    (folder / "workloads.yml").write_text(documents)
    (folder.parent / "rest.yaml").write_text(NO_ENDS)
    (folder.parent / "README.md").write_text("not: [a manifest")
    return folder.parent


def policy(folder: Path, spec: str, namespace: str = "shop") -> Path:
    metadata = f"{{name: p{len([*folder.iterdir()])}, namespace: {namespace}}}"
    (folder / f"{len([*folder.iterdir()])}.yaml").write_text(
        f"{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {metadata}, spec: {spec}}}"
    )
    return folder


def rows(capsys: pytest.CaptureFixture[str], snapshot: Path, *options: str) -> list[dict[str, Any]]:
    assert cli.main(["connections", "--snapshot", str(snapshot), "-o", "json", *options]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_every_kind_of_workload_is_an_end_and_services_and_ingresses_are_none(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["connections", "--snapshot", str(shop), "-o", "json"]) == 0
    said = capsys.readouterr()
    assert "2 example.com/v1 Strange" in said.err
    found = json.loads(said.out)
    ends = {f"shop/{end}" for end in WORKLOADS}
    pairs = {(one["src"], one["dst"]) for one in found}
    between = {(a, b) for a in ends for b in ends if a != b}
    outside = {pair for end in ends for wide in (V4, V6) for pair in ((end, wide), (wide, end))}
    assert pairs == between | outside
    assert len(found) == len(pairs)
    assert [*found[0]] == ["src", "dst", "connections"]
    assert all(one["connections"] == ALL for one in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--from", "shop/bare", "--to", "shop/web"), {("shop/bare[Pod]", "shop/web[Deployment]")}),
        (("--from", "shop/bare[Pod]", "--to", "10.1.2.3"), {("shop/bare[Pod]", V4)}),
        (("--from", "2001:db8::1", "--to", "shop/web[Deployment]"), {(V6, "shop/web[Deployment]")}),
    ],
)
def test_ends_are_chosen(
    options: tuple[str, ...], expected: set[tuple[str, str]], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {(one["src"], one["dst"]) for one in rows(capsys, shop, *options)} == expected


TO_WEB = "podSelector: {matchLabels: {app: web}}"
BARE = "podSelector: {matchLabels: {app: bare}}"


@pytest.mark.parametrize(
    ("spec", "source", "expected"),
    [
        (f"{{{TO_WEB}}}", "shop/bare", []),
        (f"{{{TO_WEB}, ingress: }}", "shop/bare", []),
        (f"{{{TO_WEB}, ingress: []}}", "shop/bare", []),
        (f"{{{TO_WEB}, ingress: [{{}}]}}", "shop/bare", ALL),
        (f"{{{TO_WEB}, policyTypes: [Egress]}}", "shop/bare", ALL),
        (f"{{{BARE}, egress: []}}", "shop/bare", ALL),
        (f"{{{BARE}, egress: [{{ports: [{{port: 1}}]}}]}}", "shop/bare", [("TCP", 1, 1)]),
        (f"{{{TO_WEB}, ingress: [{{from: [{{{BARE}}}]}}]}}", "shop/bare", ALL),
        (f"{{{TO_WEB}, ingress: [{{from: [{{{BARE}}}]}}]}}", "shop/ds", []),
        (f"{{{TO_WEB}, ingress: [{{ports: [{{port: http}}]}}]}}", "shop/ds", [("TCP", 8080, 8080)]),
        (f"{{{TO_WEB}, ingress: [{{ports: [{{port: http, protocol: UDP}}]}}]}}", "shop/ds", []),
        (f"{{{TO_WEB}, ingress: [{{ports: [{{port: nobody}}]}}]}}", "shop/ds", []),
        (
            f"{{{TO_WEB}, ingress: [{{ports: [{{port: 5, endPort: 9, protocol: SCTP}}, {{protocol: UDP}}]}}]}}",
            "shop/ds",
            [("UDP", 1, 65535), ("SCTP", 5, 9)],
        ),
        (f"{{{TO_WEB}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]}}]}}", "shop/bare", []),
        (f"{{{TO_WEB}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]}}]}}", "10.0.0.1", ALL),
    ],
)
def test_a_policy_means_what_kubernetes_says(
    spec: str, source: str, expected: list[Any], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if expected is not ALL:
        expected = [{"protocol": name, "ports": [[first, last]]} for name, first, last in expected]
    found = rows(capsys, policy(shop, spec), "--from", source, "--to", "shop/web")
    assert [one["connections"] for one in found] == ([expected] if expected else [])


def test_an_exception_cuts_a_block_into_ranges(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = "{cidr: 10.0.0.0/24, except: [10.0.0.4/32]}"
    policy(shop, f"{{{BARE}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {block}}}]}}]}}")
    ends = [one["dst"] for one in rows(capsys, shop, "--from", "shop/bare")]
    assert ends == ["10.0.0.0-10.0.0.3", "10.0.0.5-10.0.0.255"]


def test_a_namespace_that_is_only_mentioned_has_its_name_label(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "far.json").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "PodList",
                "items": [{"metadata": {"name": "a", "namespace": "far"}, "spec": {"containers": []}}],
            }
        )
    )
    named = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: far}}}"
    policy(shop, f"{{{TO_WEB}, ingress: [{{from: [{named}]}}]}}")
    assert [one["src"] for one in rows(capsys, shop, "--to", "shop/web")] == ["far/a[Pod]"]


def test_a_pod_on_its_nodes_network_is_a_pod_unless_one_says_so(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy(shop, "{podSelector: {}, policyTypes: [Ingress]}")
    assert rows(capsys, shop, "--from", "shop/bare", "--to", "shop/host") == []
    assert rows(capsys, shop, "--from", "shop/bare", "--to", "shop/host", "--host-network", "node")


def test_probes_are_answered_a_line_each(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(shop, f"{{{TO_WEB}, ingress: [{{from: [{{{BARE}}}]}}]}}")
    asked = [
        {"from": "shop/bare", "to": "shop/web", "protocol": "TCP", "port": 80},
        {"from": "shop/ds", "to": "shop/web", "protocol": "TCP", "port": 80},
        {"from": "shop/bare", "to": "1.2.3.4", "protocol": "UDP", "port": 53},
    ]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(map(json.dumps, asked)).encode())))
    assert cli.main(["connections", "--snapshot", str(shop), "--probe", "-"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[*one] for one in answers] == [["allowed", "by"]] * 3
    assert [one["allowed"] for one in answers] == [True, False, True]


RBAC = """
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cr}, rules: [
  {apiGroups: [""], resources: [secrets], verbs: [get]}, {nonResourceURLs: ["/healthz*"], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: rb, namespace: shop},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cr},
  subjects: [{kind: User, name: eve}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: crb},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cr}, subjects: [{kind: Group, name: ops}]}
"""
EVE = {"user": "eve", "groups": [], "verb": "get", "group": "", "resource": "secrets", "subresource": ""}


@pytest.mark.parametrize(
    ("request_", "allowed", "by"),
    [
        ({**EVE, "namespace": "shop", "name": "db"}, True, "RoleBinding/shop/rb"),
        ({**EVE, "namespace": "shop", "subresource": "status"}, False, None),
        ({**EVE, "namespace": "", "name": ""}, False, None),
        ({**EVE, "groups": ["ops"], "namespace": None, "name": None}, True, "ClusterRoleBinding/crb"),
        (
            {"user": "eve", "groups": ["ops"], "verb": "get", "path": "/healthz/etcd"},
            True,
            "ClusterRoleBinding/crb",
        ),
        ({"user": "eve", "groups": [], "verb": "get", "path": "/healthz"}, False, None),
    ],
)
def test_a_request_is_answered_with_allowed_reason_and_by(
    request_: dict[str, Any],
    allowed: bool,
    by: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "rbac.yaml").write_text(RBAC)
    (tmp_path / "requests").write_text(json.dumps(request_))
    asked = ["can", "--snapshot", str(tmp_path / "rbac.yaml"), "--requests", str(tmp_path / "requests")]
    assert cli.main(asked) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [*answer] == ["allowed", "reason", "by"]
    assert (answer["allowed"], [one["binding"] for one in answer["by"]]) == (allowed, [by] if by else [])
    assert all([*one] == ["binding", "role", "rule"] for one in answer["by"])


STARTS = ("pod/shop/bare", "sa/shop/default", "secret/shop/db", "group/ops", "user/eve", "ip/10.0.0.1")


@pytest.mark.parametrize("start", STARTS)
def test_an_answer_about_reach_has_the_promised_keys(
    start: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "rbac.yaml").write_text(RBAC)
    (shop / "secret.yaml").write_text("{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: shop}}")
    assert cli.main(["reach", "--snapshot", str(shop), "-o", "json", "--from", start]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"from", "at", "cluster_admin", "reached", "missing"} <= {*answer}
    assert (answer["from"], answer["cluster_admin"]) == (start, False)
    for one in answer["reached"]:
        assert [*one] == ["entity", "tier", "hops", "path"]
        assert len(one["path"]) == one["hops"]
        assert {(*hop,) for hop in one["path"]} == {("edge", "from", "to", "granted_by", "conditions")}
    reached = {one["entity"]: one["tier"] for one in answer["reached"]}
    assert reached.get("secret/shop/db") == ("direct" if start in {"group/ops", "user/eve"} else None)
