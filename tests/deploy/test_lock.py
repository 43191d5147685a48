"""The containment lock on a real API server: nobody lets a contained pod go, marks another, or is locked out."""

import time
import uuid
from typing import Any

import pytest

from deploy.identities import EXECUTOR_ROLE
from deploy.rbac import executor_binding
from signals.subjects import (
    BREAK_GLASS_GROUP,
    DOMAIN,
    FORENSIC_INVESTIGATOR,
    LIAISON,
    NAMESPACE,
    REMEDIATION_EXECUTOR,
)
from tests.control_plane import Answer, Api, ControlPlane

pytestmark = pytest.mark.stack

SPACE = "lock"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
BINDINGS = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/rolebindings"
ENROLMENTS = f"/apis/{DOMAIN}/v1alpha1/enrolments"
MARK = f"{DOMAIN}/m-0123abcd"
CASE = "lock-web-0123abcd"
OURS = {"app.kubernetes.io/managed-by": "firebreak", f"{DOMAIN}/case": CASE}
LABEL, NOTE = (f"/metadata/{field}/{DOMAIN}~1m-0123abcd" for field in ("labels", "annotations"))
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
SERVER_SIDE = "application/apply-patch+yaml"


def locked(answer: Answer) -> bool:
    """Return whether the lock refused it, and said who may."""
    said = answer.status == 422 and "ValidatingAdmissionPolicy 'firebreak-lock-" in answer.message
    return said and ("break-glass" in answer.message or "Binding brings no" in answer.message)


def op(verb: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": verb, "path": path, "value": value}


def pod(name: str, labels: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": SPACE,
            "labels": {"app": "web", **(labels or {})},
            **metadata,
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "example.com/web:1"}],
        },
    }


def policy(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {"podSelector": {"matchLabels": {MARK: CASE}}, "policyTypes": ["Ingress", "Egress"], **spec},
    }


@pytest.fixture(scope="module")
def executor(control_plane: ControlPlane) -> Api:
    control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    assert control_plane.agent(LIAISON).create(executor_binding(SPACE)).status in (201, 409)
    return control_plane.agent(REMEDIATION_EXECUTOR)


@pytest.fixture(scope="module")
def stranger(control_plane: ControlPlane, executor: Api) -> Api:
    """Somebody who may do everything in the cluster, and belongs to no group of ours."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "lock-stranger"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "locksmith"}],
    }
    assert control_plane.admin.create(binding).status in (201, 409)
    return control_plane.person("locksmith", "developers")


@pytest.fixture
def contained(control_plane: ControlPlane, executor: Api) -> str:
    """The path of a pod that the executor has marked."""
    name = f"web-{uuid.uuid4().hex[:8]}"
    assert control_plane.admin.create(pod(name, annotations={"a": "b"})).status == 201
    assert executor.patch(f"{PODS}/{name}", op("add", LABEL, CASE), op("add", NOTE, "{}")).status == 200
    return f"{PODS}/{name}"


@pytest.fixture
def held(executor: Api) -> str:
    """The path of a policy that the executor has made."""
    name = f"p-{uuid.uuid4().hex[:8]}"
    assert executor.create(policy(name, OURS)).status == 201
    return f"{POLICIES}/{name}"


# ---- marks on pods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operations",
    [
        [op("remove", LABEL)],
        [op("replace", LABEL, "another-case")],
        [op("remove", NOTE)],
        [op("replace", NOTE, "{lies}")],
        [op("remove", "/metadata/annotations")],
        [op("replace", "/metadata/labels", {"app": "web"})],
        [op("add", f"/metadata/labels/{DOMAIN}~1m-ffffffff", "spoofed")],
        [op("add", f"/metadata/labels/{DOMAIN}~1case", "spoofed")],
        [op("move", f"/metadata/labels/{DOMAIN}~1m-00000000") | {"from": LABEL}],
    ],
    ids=lambda found: " ".join(f"{one['op']} {one['path'][10:]}" for one in found),
)
def test_a_stranger_changes_no_mark(stranger: Api, contained: str, operations: list[dict[str, Any]]) -> None:
    assert locked(stranger.patch(contained, *operations))


@pytest.mark.parametrize("subresource", ["", "/status", "/resize", "/ephemeralcontainers"])
@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_no_way_of_patching_takes_a_mark_away(
    control_plane: ControlPlane, stranger: Api, contained: str, subresource: str, kind: str
) -> None:
    body = {"metadata": {"labels": {MARK: None}}}

    stranger.call("PATCH", contained + subresource, body, kind)

    assert control_plane.admin.call("GET", contained).body["metadata"]["labels"][MARK] == CASE


def test_the_status_is_no_way_around(stranger: Api, contained: str) -> None:
    assert locked(stranger.patch(f"{contained}/status", op("remove", LABEL)))


def test_force_by_server_side_apply_is_no_way_around(stranger: Api, contained: str) -> None:
    name = contained.rpartition("/")[2]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {MARK: "mine"}}}

    assert locked(stranger.call("PATCH", f"{contained}?fieldManager=x&force=true", body, SERVER_SIDE))


def test_a_whole_update_is_no_way_around(stranger: Api, contained: str) -> None:
    live = stranger.call("GET", contained).body
    del live["metadata"]["labels"][MARK]

    assert locked(stranger.call("PUT", contained, live))


@pytest.mark.parametrize(
    "metadata",
    [{"labels": {MARK: CASE}}, {"labels": {f"{DOMAIN}/case": CASE}}, {"annotations": {MARK: "{}"}}],
    ids=["mark", "case", "annotation"],
)
def test_nobody_makes_a_pod_that_is_marked_already(stranger: Api, metadata: dict[str, Any]) -> None:
    made = pod(f"spoof-{uuid.uuid4().hex[:8]}", metadata.get("labels"))
    made["metadata"]["annotations"] = metadata.get("annotations", {})

    assert locked(stranger.create(made))


def test_no_pod_template_makes_marked_pods(control_plane: ControlPlane, stranger: Api) -> None:
    labels = {"app": "spoof", MARK: CASE}
    template = {"metadata": {"labels": labels}, "spec": pod("x")["spec"]}
    job = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "spoof", "namespace": SPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{SPACE}/replicasets"
    assert stranger.call("POST", path, job).status == 201

    said = ""
    for _ in range(100):
        status = control_plane.admin.call("GET", f"{path}/spoof").body.get("status", {})
        said = " ".join(one["message"] for one in status.get("conditions", []))
        if said:
            break
        time.sleep(0.1)
    assert "firebreak-lock-pods" in said
    assert control_plane.admin.delete(f"{path}/spoof").status == 200


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("way", ["pods/{name}/binding", "bindings"])
def test_binding_a_pod_to_a_node_brings_no_mark(
    control_plane: ControlPlane, stranger: Api, field: str, way: str
) -> None:
    name = f"pending-{uuid.uuid4().hex[:8]}"
    assert control_plane.admin.create(pod(name)).status == 201
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": SPACE, field: {MARK: CASE}},
        "target": {"kind": "Node", "name": "node-1"},
    }

    assert locked(stranger.call("POST", f"/api/v1/namespaces/{SPACE}/{way.format(name=name)}", binding))
    binding["metadata"] = {"name": name, "namespace": SPACE}
    assert stranger.call("POST", f"{PODS}/{name}/binding", binding).status == 201


def test_everything_else_of_a_contained_pod_is_as_free_as_before(stranger: Api, contained: str) -> None:
    assert stranger.patch(contained, op("add", "/metadata/labels/tier", "front")).status == 200
    assert stranger.patch(contained, op("remove", "/metadata/annotations/a")).status == 200
    ready = [{"type": "Ready", "status": "False"}]
    assert stranger.patch(f"{contained}/status", op("add", "/status/conditions", ready)).status == 200
    assert stranger.delete(contained).status == 200


def test_the_executor_takes_its_mark_back(executor: Api, contained: str) -> None:
    assert executor.patch(contained, op("remove", LABEL), op("remove", NOTE)).status == 200


@pytest.mark.parametrize("agent", [LIAISON, FORENSIC_INVESTIGATOR])
def test_no_other_agent_holds_the_key(control_plane: ControlPlane, contained: str, agent: str) -> None:
    assert control_plane.agent(agent).patch(contained, op("remove", LABEL)).status in (403, 422)


# ---- policies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/spec/ingress", [{}]),
        op("replace", "/spec/podSelector", {"matchLabels": {"app": "nothing"}}),
        op("remove", f"/metadata/labels/{DOMAIN}~1case"),
        op("add", "/metadata/annotations", {"x": "y"}),
    ],
    ids=lambda operation: operation["path"],
)
def test_a_stranger_changes_no_policy_of_ours(stranger: Api, held: str, operation: dict[str, Any]) -> None:
    assert locked(stranger.patch(held, operation))


def test_a_stranger_deletes_no_policy_of_ours(control_plane: ControlPlane, stranger: Api, held: str) -> None:
    assert locked(stranger.delete(held))
    assert locked(stranger.call("DELETE", held, {"apiVersion": "v1", "kind": "DeleteOptions"}))
    stranger.delete(f"{POLICIES}?labelSelector={DOMAIN}/case={CASE}")
    stranger.delete(POLICIES)

    assert control_plane.admin.call("GET", held).status == 200


def test_nobody_makes_a_policy_that_says_it_is_ours(stranger: Api) -> None:
    assert locked(stranger.create(policy("spoof", OURS)))
    assert locked(stranger.create(policy("spoof", {f"{DOMAIN}/case": CASE})))


def test_nobody_turns_a_policy_of_theirs_into_ours(stranger: Api) -> None:
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    assert stranger.create(policy(name, {"team": "shop"})).status == 201

    assert locked(stranger.patch(f"{POLICIES}/{name}", op("replace", "/metadata/labels", OURS)))


def test_what_others_wrote_stays_theirs_with_our_exclusion_in_it(
    control_plane: ControlPlane, executor: Api, stranger: Api
) -> None:
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    theirs = policy(name, {"team": "shop"}, podSelector={"matchLabels": {"app": "web"}})
    assert stranger.create(theirs).status == 201
    term = {"key": MARK, "operator": "NotIn", "values": [CASE]}
    path = f"{POLICIES}/{name}"
    assert executor.patch(path, op("add", "/spec/podSelector/matchExpressions", [term])).status == 200

    assert stranger.call("PUT", path, theirs).status == 200
    assert stranger.delete(path).status == 200


# ---- where we may act ---------------------------------------------------------------------------------------


def test_nobody_takes_the_executors_rights_away_or_gives_them(stranger: Api) -> None:
    path = f"{BINDINGS}/{EXECUTOR_ROLE}"
    assert locked(stranger.delete(path))
    assert locked(stranger.patch(path, op("add", "/metadata/labels/x", "y")))
    elsewhere = executor_binding("default")
    assert locked(stranger.create(elsewhere))
    mine = executor_binding(SPACE)
    mine["metadata"]["name"] = "innocent"
    mine["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "locksmith"}]
    assert locked(stranger.create(mine))


def test_only_the_liaison_enrols(control_plane: ControlPlane, stranger: Api) -> None:
    made = {
        "apiVersion": f"{DOMAIN}/v1alpha1",
        "kind": "Enrolment",
        "metadata": {"name": "lock"},
        "spec": {"mode": "auto"},
    }
    assert locked(stranger.create(made))
    assert control_plane.agent(LIAISON).create(made).status == 201
    assert locked(stranger.patch(f"{ENROLMENTS}/lock", op("replace", "/spec/mode", "shadow")))
    assert locked(stranger.delete(f"{ENROLMENTS}/lock"))
    assert control_plane.agent(LIAISON).delete(f"{ENROLMENTS}/lock").status == 200


# ---- the ways out -------------------------------------------------------------------------------------------


def test_an_administrator_is_a_stranger_too(control_plane: ControlPlane, contained: str, held: str) -> None:
    master = control_plane.person("master", "system:masters")

    assert locked(master.patch(contained, op("remove", LABEL)))
    assert locked(master.delete(held))


def test_break_glass_lets_go_without_being_an_administrator(
    control_plane: ControlPlane, contained: str, held: str
) -> None:
    person = control_plane.person("brenda", BREAK_GLASS_GROUP)

    assert person.patch(contained, op("remove", LABEL), op("remove", NOTE)).status == 200
    assert person.delete(held).status == 200
    assert person.call("GET", "/api/v1/namespaces/kube-system/secrets").status == 403
    assert person.create(pod("no")).status == 403


def test_a_namespace_with_everything_of_ours_in_it_can_be_deleted(control_plane: ControlPlane) -> None:
    admin, space = control_plane.admin, "lock-ends"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    assert control_plane.agent(LIAISON).create(executor_binding(space)).status == 201
    made = policy("held", OURS)
    made["metadata"]["namespace"] = space
    deadline = time.monotonic() + 5  # the API server takes a moment to know a new binding
    while control_plane.agent(REMEDIATION_EXECUTOR).create(made).status != 201:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert admin.delete(f"/api/v1/namespaces/{space}").status == 200

    deadline = time.monotonic() + 30
    while admin.call("GET", f"/api/v1/namespaces/{space}").status != 404:
        assert time.monotonic() < deadline, admin.call("GET", f"/api/v1/namespaces/{space}").body
        time.sleep(0.2)


def test_our_own_namespace_is_the_installers(control_plane: ControlPlane) -> None:
    made = pod(f"agent-{uuid.uuid4().hex[:8]}", {f"{DOMAIN}/agent": "x"})
    made["metadata"]["namespace"] = NAMESPACE
    answer = control_plane.person("master", "system:masters").create(made)

    assert "firebreak-lock" not in answer.message
