"""The control-plane predicate of the executor and that of the API server, against each other."""

import random
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from activities.ports import PODS
from activities.predicate import POD_RULES, impacts, refused_always
from deploy.identities import EXECUTOR_ROLE
from deploy.rbac import executor_binding
from signals.decisions import Inverse, OnExpiry, PlannedAction
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Plan, Write, WriteKind
from signals.policy import Policy
from signals.subjects import DOMAIN, FLAGGED_CONTROL_PLANE, LIAISON, NAMESPACE, REMEDIATION_EXECUTOR
from tests.control_plane import Answer, Api, ControlPlane

pytestmark = pytest.mark.stack

MARK = f"{DOMAIN}/m-0123abcd"
SPACES = (
    "impacts-shop",
    "cilium-impacts",
    "istio-impacts",
    "monitoring2",
    "gke-x",
    "kube-system",
    "kube-public",
)
ROUNDS = 90


@pytest.fixture(scope="module")
def executor(control_plane: ControlPlane) -> Iterator[Api]:
    """The executor, bound in every namespace of this test: RBAC lets it, so that only the policies speak."""
    for name in SPACES:
        control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        assert control_plane.agent(LIAISON).create(executor_binding(name)).status in (201, 409)
    yield control_plane.agent(REMEDIATION_EXECUTOR)
    for name in SPACES:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings/{EXECUTOR_ROLE}"
        assert control_plane.admin.delete(path).status == 200


@pytest.fixture(scope="module")
def owners(control_plane: ControlPlane, executor: Api) -> dict[str, str]:
    """UIDs of real owners, so that nobody collects what they own."""
    made = {
        "Node": control_plane.admin.create(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "impacts"}}
        )
    }
    return {kind: answer.body["metadata"]["uid"] for kind, answer in made.items()}


def some(dice: random.Random, *choices: Any) -> Any:
    return dice.choice(choices)


def pod(dice: random.Random, namespace: str, owners: dict[str, str]) -> dict[str, Any]:
    """Return a pod that may be anything, and often is nothing special."""
    labels = {
        "app": "web",
        **some(dice, {}, {}, {"tier": "control-plane"}, {"tier": "front"}),
        **some(dice, {}, {}, {"component": "etcd"}, {"component": "kube-apiserver"}, {"component": "web"}),
        **some(dice, {}, {}, {"k8s-app": "kube-dns"}, {"k8s-app": "canal"}, {"k8s-app": "mine"}),
        **some(dice, {}, {}, {"kubernetes.io/bootstrapping": "x"}, {"addonmanager.kubernetes.io/mode": ""}),
    }
    notes = some(
        dice, {}, {}, {}, {"kubernetes.io/config.source": "api"}, {"kubernetes.io/config.source": "file"},
        {"kubernetes.io/config.source": ""}, {"kubernetes.io/config.mirror": "x"},
    )  # fmt: skip
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "example.com/web:1"}],
        **some(
            dice, {}, {}, {"hostNetwork": True}, {"hostPID": True}, {"hostIPC": True}, {"hostNetwork": False}
        ),
        **some(
            dice,
            {},
            {},
            {},
            {"priorityClassName": "system-node-critical"},
            {"priorityClassName": "system-cluster-critical"},
        ),
    }
    if "kubernetes.io/config.mirror" in notes:
        spec["nodeName"] = "impacts"
    kind = some(dice, "", "", "", "Node", "DaemonSet", "Job")
    owner = {"apiVersion": "v1", "kind": kind, "name": "impacts", "uid": owners.get(kind, str(uuid.uuid4()))}
    references = [owner] if kind else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"p-{uuid.uuid4().hex[:12]}",
            "namespace": namespace,
            "labels": labels,
            "annotations": notes,
            "ownerReferences": references,
        },
        "spec": spec,
    }


def plan(live: dict[str, Any]) -> Plan:
    """Return the plan to mark one pod, as `annotate_pod` makes it."""
    metadata = live["metadata"]
    ref = PODS.ref(metadata["name"], metadata["namespace"], metadata["uid"])
    target = Entity(
        cluster=ClusterRef(name="c", uid="c"), kind="Pod", name=ref.name, namespace=ref.namespace, uid=ref.uid
    )
    action = PlannedAction(
        id="0123abcd", type="annotate_pod", targets=(target,), index=0, ttl_seconds=60,
        on_expiry=OnExpiry.RELEASE, summary="mark",
    )  # fmt: skip
    write = Write(kind=WriteKind.MARK, ref=ref, labels={MARK: "case"})
    return Plan(
        incident="case",
        policy_digest="d",
        actions=(ActionPlan(action=action, writes=(write,), inverse=Inverse.EXACT, summary="mark"),),
    )


def marking(executor: Api, live: dict[str, Any]) -> Answer:
    metadata = live["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}?dryRun=All"
    body = {"metadata": {"labels": {MARK: "case"}}}
    return executor.call("PATCH", path, body, "application/merge-patch+json")


def flagged(answer: Answer) -> set[str]:
    """Return which rules of the predicate the API server warns about."""
    said = "control plane: "
    return {one.partition(said)[2].strip('"') for one in answer.warnings if FLAGGED_CONTROL_PLANE in one}


def predicted(live: dict[str, Any]) -> set[str]:
    """Return the same by the executor's own predicate."""
    labelled, static, owned, urgent, on_host = (bool(rule(live)) for rule in POD_RULES)
    reasons = impacts(plan(live), [live], Policy())
    inside = any("is part of the control plane" in reason for reason in reasons)
    found = {
        "labels": labelled, "static": static, "owner": owned, "priority": urgent, "host": on_host,
        "namespace": inside,
    }  # fmt: skip
    assert any(found.values()) == bool(reasons)
    return {name for name, holds in found.items() if holds}


def test_both_predicates_say_the_same_of_any_pod(
    control_plane: ControlPlane, executor: Api, owners: dict[str, str]
) -> None:
    seed = secrets.randbelow(2**32)
    dice = random.Random(seed)
    seen: set[str] = set()
    for _ in range(ROUNDS):
        made = control_plane.admin.create(pod(dice, dice.choice(SPACES), owners))
        if made.status == 403:
            continue  # what the API server lets nobody make: a mirror pod with an account, a priority elsewhere
        assert made.status == 201, (seed, made)
        live, answer = made.body, marking(executor, made.body)
        if answer.status == 404:
            continue  # its owner is not there: the collector was faster
        forbidden = refused_always(plan(live), [live])
        if forbidden:
            assert answer.status == 422, (seed, live["metadata"], forbidden)
            assert "firebreak-executor-never" in answer.message
            continue
        assert answer.status == 200, (seed, answer)
        assert flagged(answer) == predicted(live), (seed, live)
        seen |= predicted(live)
    assert seen >= {"namespace", "labels", "static", "owner", "host"}, (seed, seen)


def test_a_pod_of_nothing_special_is_not_marked(control_plane: ControlPlane, executor: Api) -> None:
    class Plain(random.Random):
        def choice(self, seq: Any) -> Any:
            return seq[0]

    made = control_plane.admin.create(pod(Plain(), "impacts-shop", {}))

    assert marking(executor, made.body).warnings == ()


@contextmanager
def enrolled(control_plane: ControlPlane, name: str, mode: str) -> Iterator[None]:
    """Have a namespace enrolled in one mode for a while."""
    path = f"/apis/{DOMAIN}/v1alpha1/enrolments"
    made = {
        "apiVersion": f"{DOMAIN}/v1alpha1", "kind": "Enrolment", "metadata": {"name": name}, "spec": {"mode": mode},
    }  # fmt: skip
    assert control_plane.admin.create(made).status == 201
    try:
        yield
    finally:
        assert control_plane.admin.delete(f"{path}/{name}").status == 200


def test_a_namespace_of_the_system_is_written_to_only_where_everything_asks(
    control_plane: ControlPlane, executor: Api
) -> None:
    made = control_plane.admin.create(pod(random.Random(0), "kube-public", {"Node": "x"}))
    made = (
        made
        if made.status == 201
        else control_plane.admin.create(pod(random.Random(3), "kube-public", {"Node": "x"}))
    )

    with enrolled(control_plane, "impacts-shop", "auto"), enrolled(control_plane, "kube-public", "auto"):
        refused = marking(executor, made.body)
        assert (refused.status, "firebreak-executor-system-asks" in refused.message) == (422, True)
    with enrolled(control_plane, "impacts-shop", "auto"), enrolled(control_plane, "kube-public", "approve"):
        assert marking(executor, made.body).status == 200


# ---- evictions ----------------------------------------------------------------------------------------------


def eviction(name: str, namespace: str = "impacts-shop", /, **options: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    return {**made, "deleteOptions": options} if options else made


def test_the_executor_evicts_only_the_very_pod_that_it_means_and_never_by_force(
    control_plane: ControlPlane, executor: Api
) -> None:
    made = control_plane.admin.create(pod(random.Random(1), "impacts-shop", {"Node": "x"}))
    while made.status != 201 or made.body["metadata"].get("ownerReferences"):
        made = control_plane.admin.create(pod(random.Random(), "impacts-shop", {"Node": "x"}))
    name, uid = made.body["metadata"]["name"], made.body["metadata"]["uid"]
    path = f"/api/v1/namespaces/impacts-shop/pods/{name}/eviction"
    uid_only: dict[str, Any] = {"preconditions": {"uid": uid}}

    for body in (
        eviction(name),
        eviction(name, gracePeriodSeconds=30),
        eviction(name, preconditions={"resourceVersion": "1"}),
        eviction(name, **uid_only, gracePeriodSeconds=0),
        eviction(name, **uid_only, propagationPolicy="Orphan"),
    ):
        refused = executor.call("POST", path, body)
        assert refused.status == 422, (body, refused)
        assert "firebreak-executor-eviction-cage" in refused.message
    assert executor.call("POST", path, eviction(name, preconditions={"uid": "another"})).status == 409
    assert control_plane.admin.call("GET", path.removesuffix("/eviction")).status == 200
    assert executor.call("POST", path, eviction(name, **uid_only, gracePeriodSeconds=1)).status == 201


def test_nothing_of_our_own_namespace_is_evicted(control_plane: ControlPlane, executor: Api) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/x/eviction"

    assert executor.call("POST", path, eviction("x", NAMESPACE, preconditions={"uid": "u"})).status == 403
