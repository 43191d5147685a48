"""Frozen credentials on a real API server, with real tokens: what a Freeze stops, whom, and who may make one."""

import ssl
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from signals.subjects import CREDENTIAL_FREEZER, NAMESPACE, REMEDIATION_EXECUTOR
from tests.control_plane import Answer, Api, ControlPlane

pytestmark = pytest.mark.stack

SPACE = "frozen"
FREEZES = "/apis/firebreak.dev/v1alpha1/freezes"
ACCOUNT = "app"
SOON = 5.0
"""Most seconds that a freeze or thaw may take on a slow machine; measured: a few milliseconds."""


def freeze(uid: str, namespace: str = SPACE, **metadata: Any) -> dict[str, Any]:
    given = {
        "name": uid,
        "labels": {
            "app.kubernetes.io/managed-by": "firebreak",
            "firebreak.dev/case": "shop-web-0123abcd",
            "firebreak.dev/action": "freeze_credentials",
        },
        "annotations": {
            "firebreak.dev/expires-at": "2099-01-01T00:00:00Z",
            "firebreak.dev/on-expiry": "ask",
            "firebreak.dev/workflow-id": "shop-web-0123abcd",
            "firebreak.dev/inverse": "{}",
        },
        **metadata,
    }
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Freeze",
        "metadata": given,
        "spec": {"podUID": uid, "namespace": namespace, "pod": "web", "serviceAccount": ACCOUNT},
    }


def write(api: Api, space: str = SPACE) -> Answer:
    """Write as a workload would: a dry run goes the same way, and leaves nothing."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}
    return api.call("POST", f"/api/v1/namespaces/{space}/configmaps?dryRun=All", body)


def frozen(answer: Answer) -> bool:
    return answer.status == 403 and "are frozen by case" in answer.message


def until(api: Api, wanted: bool) -> None:
    """Return once this token is frozen, or is not any more."""
    started = time.monotonic()
    while frozen(write(api)) is not wanted:
        assert time.monotonic() - started < SOON, write(api)
        time.sleep(0.002)


class Workload:
    """Pods of one ServiceAccount that may do anything in their namespace."""

    def __init__(self, plane: ControlPlane, space: str) -> None:
        self.plane, self.space = plane, space
        self._context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
        rbac = "rbac.authorization.k8s.io"
        account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": space}
        for manifest in (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": space}},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "app-edits", "namespace": space},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [account],
            },
        ):
            assert plane.admin.create(manifest).status in (201, 409)

    def pod(self) -> tuple[str, str]:
        """Create a pod; return its name and UID."""
        name = f"web-{uuid.uuid4().hex}"
        harmless = {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        security = {**harmless, "seccompProfile": {"type": "RuntimeDefault"}}
        container = {"name": "c", "image": "example.com/web:1", "securityContext": security}
        spec = {"serviceAccountName": ACCOUNT, "containers": [container]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self.space}}
        made = self.plane.admin.create({**body, "spec": spec})
        assert made.status == 201, made
        return name, made.body["metadata"]["uid"]

    def token(self, pod: str = "") -> Api:
        """Return the API server as the holder of a token; of one that is bound to a pod, or to nothing."""
        bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod}} if pod else {}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": bound}
        path = f"/api/v1/namespaces/{self.space}/serviceaccounts/{ACCOUNT}/token"
        token = self.plane.admin.call("POST", path, asked).body["status"]["token"]
        return Api(self.plane.url, self._context, token)


@pytest.fixture(scope="module")
def workload(control_plane: ControlPlane) -> Workload:
    return Workload(control_plane, SPACE)


@pytest.fixture
def uid(control_plane: ControlPlane) -> Iterator[str]:
    """A UID of no pod, thawed afterwards."""
    made = str(uuid.uuid4())
    yield made
    control_plane.admin.delete(f"{FREEZES}/{made}")


def test_a_freeze_refuses_every_write_of_that_pod_at_once_and_its_end_allows_them_again(
    control_plane: ControlPlane, workload: Workload
) -> None:
    freezer, (name, pod_uid) = control_plane.agent(CREDENTIAL_FREEZER), workload.pod()
    stolen = workload.token(name)
    assert write(stolen).status == 201
    for _ in range(3):
        assert freezer.create(freeze(pod_uid)).status == 201
        until(stolen, True)
        assert freezer.delete(f"{FREEZES}/{pod_uid}").status == 200
        until(stolen, False)
    assert write(stolen).status == 201


def test_a_frozen_pod_writes_nothing_anywhere_with_any_token_by_any_verb(
    control_plane: ControlPlane, workload: Workload
) -> None:
    name, pod_uid = workload.pod()
    stolen = workload.token(name)
    control_plane.agent(CREDENTIAL_FREEZER).create(freeze(pod_uid))
    until(stolen, True)
    pods = f"/api/v1/namespaces/{SPACE}/pods/{name}"

    assert frozen(write(workload.token(name))), "a token that was asked for after the freeze"
    assert frozen(stolen.patch(pods, {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}))
    assert frozen(stolen.delete(pods))
    assert frozen(stolen.delete(f"/api/v1/namespaces/{SPACE}/configmaps"))
    assert frozen(stolen.call("POST", f"{pods}/exec?command=id&stdout=true"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    assert frozen(stolen.call("POST", f"{pods}/eviction", eviction))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    account = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{ACCOUNT}"
    assert frozen(stolen.call("POST", f"{account}/token", review))
    assert stolen.call("GET", pods).status == 200, "reads are not covered, and we say so"
    control_plane.admin.delete(f"{FREEZES}/{pod_uid}")


def test_a_sibling_and_a_token_that_is_bound_to_nothing_are_not_touched(
    control_plane: ControlPlane, workload: Workload
) -> None:
    (name, pod_uid), (sibling, _) = workload.pod(), workload.pod()
    stolen, theirs, unbound = workload.token(name), workload.token(sibling), workload.token()
    control_plane.agent(CREDENTIAL_FREEZER).create(freeze(pod_uid))
    until(stolen, True)

    assert write(theirs).status == 201
    assert write(unbound).status == 201, "what the action names as residual"
    control_plane.admin.delete(f"{FREEZES}/{pod_uid}")


def test_no_pod_of_ours_or_of_kube_system_is_frozen_even_by_an_administrators_freeze_of_its_uid(
    control_plane: ControlPlane,
) -> None:
    freezer = control_plane.agent(CREDENTIAL_FREEZER)
    for space in (NAMESPACE, "kube-system"):
        theirs = Workload(control_plane, space)
        name, pod_uid = theirs.pod()
        holder = theirs.token(name)
        assert write(holder, space).status == 201
        assert freezer.create(freeze(pod_uid, space)).status == 422
        assert freezer.create(freeze(pod_uid, SPACE)).status == 201, "CEL cannot know where a UID lives"
        time.sleep(0.3)
        assert write(holder, space).status == 201
        control_plane.admin.delete(f"{FREEZES}/{pod_uid}")
        control_plane.admin.delete(f"/api/v1/namespaces/{space}/pods/{name}")
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings"
        assert control_plane.admin.delete(f"{bindings}/app-edits").status == 200


BAD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another-name": ({"name": "web"}, {}),
    "no-case": ({"labels": {"app.kubernetes.io/managed-by": "firebreak"}}, {}),
    "another-action": (
        {
            "labels": {
                "app.kubernetes.io/managed-by": "firebreak",
                "firebreak.dev/case": "c",
                "firebreak.dev/action": "isolate_pod",
            }
        },
        {},
    ),
    "no-end": ({"annotations": {"firebreak.dev/inverse": "{}"}}, {}),
    "a-finalizer": ({"finalizers": ["example.com/forever"]}, {}),
    "another-uid": ({}, {"podUID": "*"}),
    "an-empty-uid": ({}, {"podUID": ""}),
    "our-namespace": ({}, {"namespace": NAMESPACE}),
    "kube-system": ({}, {"namespace": "kube-system"}),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_the_freezer_makes_no_freeze_of_another_shape(
    control_plane: ControlPlane, uid: str, what: str
) -> None:
    metadata, spec = BAD[what]
    made = freeze(uid, **metadata)
    made["spec"] |= spec

    assert control_plane.agent(CREDENTIAL_FREEZER).create(made).status == 422


def test_nobody_else_makes_or_moves_a_freeze_not_even_an_administrator(
    control_plane: ControlPlane, uid: str
) -> None:
    refused = control_plane.admin.create(freeze(uid))
    assert refused.status == 422
    assert "only the freezer freezes" in refused.message
    assert control_plane.agent(REMEDIATION_EXECUTOR).create(freeze(uid)).status == 403
    assert control_plane.agent(CREDENTIAL_FREEZER).create(freeze(uid)).status == 201
    later = {
        "op": "replace",
        "path": "/metadata/annotations/firebreak.dev~1expires-at",
        "value": "2099-01-02T00:00:00Z",
    }
    assert control_plane.admin.patch(f"{FREEZES}/{uid}", later).status == 422
    assert control_plane.agent(CREDENTIAL_FREEZER).patch(f"{FREEZES}/{uid}", later).status == 200


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/spec/podUID", "00000000-0000-0000-0000-000000000000"),
        ("/spec/namespace", "shop"),
        ("/metadata/labels/firebreak.dev~1case", "other"),
        ("/metadata/annotations/firebreak.dev~1inverse", "{'x': 1}"),
        ("/metadata/annotations/extra", "x"),
        ("/metadata/finalizers", ["example.com/forever"]),
    ],
)
def test_the_freezer_moves_the_end_of_a_freeze_and_nothing_else(
    control_plane: ControlPlane, uid: str, path: str, value: Any
) -> None:
    freezer = control_plane.agent(CREDENTIAL_FREEZER)
    assert freezer.create(freeze(uid)).status == 201

    assert freezer.patch(f"{FREEZES}/{uid}", {"op": "add", "path": path, "value": value}).status == 422


def test_there_is_one_freeze_for_each_pod(control_plane: ControlPlane, uid: str) -> None:
    freezer = control_plane.agent(CREDENTIAL_FREEZER)

    assert [freezer.create(freeze(uid)).status for _ in range(2)] == [201, 409]


def test_the_freezer_writes_no_admission_policy_and_nothing_but_freezes(control_plane: ControlPlane) -> None:
    freezer = control_plane.agent(CREDENTIAL_FREEZER)
    root = "/apis/admissionregistration.k8s.io/v1"
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "mine"}}
        assert freezer.create(body).status == 403
    assert freezer.delete(f"{root}/validatingadmissionpolicies/firebreak-frozen-credentials").status == 403
    assert (
        freezer.delete(f"{root}/validatingadmissionpolicybindings/firebreak-frozen-credentials").status == 403
    )
    assert write(freezer).status == 403


def test_who_may_break_the_glass_thaws_and_makes_nothing(control_plane: ControlPlane, uid: str) -> None:
    person = control_plane.person("freeze-glass", "firebreak:break-glass")
    assert control_plane.agent(CREDENTIAL_FREEZER).create(freeze(uid)).status == 201

    assert person.call("GET", FREEZES).status == 200
    assert person.create(freeze(str(uuid.uuid4()))).status == 403
    assert person.delete(f"{FREEZES}/{uid}").status == 200
