"""What touches the control plane is left to a person, and Firebreak never acts on itself."""

from typing import Any

import pytest

from activities.ports import DEPLOYMENTS, FREEZES, NETWORK_POLICIES, NODES, PODS, Resource
from activities.predicate import impacts, refused_always
from signals.decisions import Inverse
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Plan, Write, WriteKind
from signals.policy import CONTROL_PLANE_NAMESPACES, Policy
from tests.activities.acting import action

POLICY = Policy()
MARK = "firebreak.dev/m-0123abcd"
TARGET = Entity(cluster=ClusterRef(name="t", uid="t"), kind="Pod", namespace="shop", name="web", uid="u")


def pod(namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    spec, metadata = fields.pop("spec", {}), {"name": "web", "namespace": namespace, **fields}
    return {"metadata": metadata, "spec": {"containers": [], **spec}}


def mark(namespace: str = "shop", resource: Resource = PODS, key: str = MARK) -> Write:
    return Write(kind=WriteKind.MARK, ref=resource.ref("web", namespace), labels={key: "case"})


def create(namespace: str = "shop", selector: dict[str, Any] | None = None, resource: Any = None) -> Write:
    chosen = {"matchLabels": {MARK: "case"}} if selector is None else selector
    manifest = {"metadata": {"name": "q"}, "spec": {"podSelector": chosen}}
    ref = (resource or NETWORK_POLICIES).ref("q", namespace)
    return Write(kind=WriteKind.CREATE, ref=ref, manifest=manifest)


def exclude(key: str = MARK) -> Write:
    return Write(kind=WriteKind.EXCLUDE, ref=NETWORK_POLICIES.ref("p", "shop"), key=key, value="case")


def plan(*writes: Write, concerns: tuple[str, ...] = ()) -> Plan:
    planned = ActionPlan(
        action=action("isolate_pod", TARGET),
        writes=writes or (create(), mark(), exclude()),
        inverse=Inverse.EXACT,
        summary="test",
        concerns=concerns,
    )
    return Plan(incident="i", policy_digest="", actions=(planned,))


def test_an_ordinary_pod_is_no_impact() -> None:
    assert impacts(plan(), [pod(labels={"app": "web"})], POLICY) == []
    assert refused_always(plan(), [pod()]) == ""


@pytest.mark.parametrize("pattern", CONTROL_PLANE_NAMESPACES)
def test_a_namespace_of_the_control_plane_is_an_impact(pattern: str) -> None:
    namespace = pattern.replace("*", "x")
    assert impacts(plan(), [pod(namespace)], POLICY) == [
        f"namespace {namespace} is part of the control plane"
    ]
    assert impacts(plan(mark(namespace)), [], POLICY)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, "labelled"),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "labelled"),
        ({"labels": {"tier": "control-plane"}}, "labelled"),
        ({"labels": {"component": "etcd"}}, "labelled"),
        ({"labels": {"component": "kube-scheduler"}}, "labelled"),
        ({"labels": {"k8s-app": "kube-dns"}}, "labelled"),
        ({"labels": {"k8s-app": "cilium"}}, "labelled"),
        ({"annotations": {"kubernetes.io/config.mirror": "x"}}, "static pod"),
        ({"annotations": {"kubernetes.io/config.source": "file"}}, "source is the node"),
        ({"ownerReferences": [{"kind": "Node"}]}, "a Node owns it"),
        ({"ownerReferences": [{"kind": "DaemonSet"}]}, "a DaemonSet owns it"),
        ({"spec": {"priorityClassName": "system-node-critical"}}, "priority"),
        ({"spec": {"priorityClassName": "system-cluster-critical"}}, "priority"),
        ({"spec": {"priority": 2_000_000_000}}, "priority"),
        ({"spec": {"hostNetwork": True}}, "hostNetwork"),
        ({"spec": {"hostPID": True}}, "hostPID"),
    ],
)
def test_a_pod_of_the_control_plane_is_an_impact(fields: dict[str, Any], reason: str) -> None:
    (found,) = impacts(plan(), [pod(**fields)], POLICY)
    assert reason in found
    assert found.startswith("pod/shop/web: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"tier": "frontend", "component": "web", "k8s-app": "shop"}},
        {"ownerReferences": [{"kind": "ReplicaSet"}]},
        {"annotations": {"kubernetes.io/config.source": "api"}},
        {"spec": {"priority": 1000, "priorityClassName": "high"}},
        {"spec": {"hostNetwork": False}},
    ],
)
def test_a_pod_that_only_looks_like_it_is_no_impact(fields: dict[str, Any]) -> None:
    assert impacts(plan(), [pod(**fields)], POLICY) == []


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (mark(resource=NODES), "not on the list"),
        (mark(resource=DEPLOYMENTS), "not on the list"),
        (create(resource=DEPLOYMENTS), "not on the list"),
        (create(resource=Resource("policy.networking.k8s.io", "v1", "networkpolicies")), "not on the list"),
        (create(selector={}), "pods that are not marked"),
        (create(selector={"matchLabels": {"app": "web"}}), "pods that are not marked"),
        (create(selector={"matchExpressions": [{"key": MARK, "operator": "Exists"}]}), "not marked"),
        (exclude(key="app"), "a label that is not ours"),
        (mark(key="app"), "not a label of ours"),
    ],
)
def test_a_write_that_is_not_known_to_be_harmless_is_an_impact(write: Write, reason: str) -> None:
    found = impacts(plan(write), [pod()], POLICY)
    assert any(reason in one for one in found), found


def test_what_belongs_to_no_namespace_is_an_impact() -> None:
    write = Write(kind=WriteKind.MARK, ref=PODS.ref("web"), labels={MARK: "case"})
    assert "no namespace" in impacts(plan(write), [], POLICY)[0]


def test_what_only_planning_could_see_is_an_impact() -> None:
    assert impacts(plan(concerns=("10.0.0.1 is the API server",)), [pod()], POLICY) == [
        "10.0.0.1 is the API server"
    ]


def test_a_namespace_may_be_taken_off_the_list() -> None:
    assert impacts(plan(), [pod("monitoring")], Policy(control_plane_namespaces=())) == []


def test_our_own_namespace_is_refused_whoever_asks() -> None:
    assert "never acts on itself" in refused_always(plan(mark("firebreak")), [])
    assert "never acts on itself" in refused_always(plan(), [pod("firebreak")])


def test_the_audit_path_is_refused_whoever_asks() -> None:
    server = pod("kube-system", labels={"component": "kube-apiserver"})
    assert "audit log" in refused_always(plan(mark("kube-system")), [server])
    assert refused_always(plan(mark("kube-system")), [pod("kube-system")]) == ""


def freeze(name: str = "u", **spec: str) -> Write:
    given = {"podUID": "u", "namespace": "shop", **spec}
    return Write(kind=WriteKind.CREATE, ref=FREEZES.ref(name), manifest={"spec": given})


def test_a_freeze_of_one_pod_by_its_uid_is_no_impact() -> None:
    assert impacts(plan(freeze()), [pod()], POLICY) == []


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (freeze(podUID="*"), "would not freeze one pod by its UID"),
        (freeze(name="v"), "would not freeze one pod by its UID"),
        (freeze(namespace=""), "belongs to no namespace"),
        (freeze(namespace="kube-system"), "namespace kube-system is part of the control plane"),
    ],
    ids=["every-pod", "another-name", "nowhere", "kube-system"],
)
def test_any_other_freeze_is_an_impact(write: Write, why: str) -> None:
    assert why in "; ".join(impacts(plan(write), [pod()], POLICY))


def test_a_freeze_of_our_own_pods_is_refused_whoever_approves() -> None:
    assert "Firebreak's own" in refused_always(plan(freeze(namespace="firebreak")), [pod()])
