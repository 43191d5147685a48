"""The right to look into pods on a real API server: the executor alone gives it, to the capturer alone."""

import uuid
from typing import Any

import pytest

from deploy.identities import EXECUTOR_ROLE
from deploy.rbac import executor_binding
from signals.subjects import CAPTURER, CAPTURER_ROLE, LIAISON, NAMESPACE, REMEDIATION_EXECUTOR
from tests.control_plane import Api, ControlPlane

pytestmark = pytest.mark.stack

SPACE, OTHER = "looked-into", "not-looked-into"
GROUP = "rbac.authorization.k8s.io"
BINDINGS = f"/apis/{GROUP}/v1/namespaces/{SPACE}/rolebindings"


def right(namespace: str = SPACE, **changes: Any) -> dict[str, Any]:
    metadata = {
        "name": f"firebreak-c-{uuid.uuid4().hex}",
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/managed-by": "firebreak",
            "firebreak.dev/case": "c",
            "firebreak.dev/action": "capture_evidence",
        },
        "annotations": {"firebreak.dev/expires-at": "2099-01-01T00:00:00Z"},
    }
    given = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": CAPTURER_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": CAPTURER, "namespace": NAMESPACE}],
    }
    return {**given, **changes}


@pytest.fixture(scope="module")
def executor(control_plane: ControlPlane) -> Api:
    for name in (SPACE, OTHER):
        control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert control_plane.agent(LIAISON).create(executor_binding(SPACE)).status in (201, 409)
    return control_plane.agent(REMEDIATION_EXECUTOR)


def test_the_capturer_looks_into_pods_while_the_right_stands_and_neither_before_nor_after(
    control_plane: ControlPlane, executor: Api
) -> None:
    capturer, given = control_plane.agent(CAPTURER), right()
    pods = f"/api/v1/namespaces/{SPACE}/pods/nobody"
    paths = (("GET", pods), ("GET", f"{pods}/log"), ("POST", f"{pods}/exec?command=ps&stdout=true"))
    assert [capturer.call(verb, path).status for verb, path in paths] == [403, 403, 403]
    assert executor.create(given).status == 201
    assert [capturer.call(verb, path).status for verb, path in paths] == [404, 404, 404]
    assert capturer.call("GET", f"/api/v1/namespaces/{OTHER}/pods/nobody").status == 403
    assert capturer.call("GET", f"/api/v1/namespaces/{SPACE}/secrets").status == 403
    assert executor.delete(f"{BINDINGS}/{given['metadata']['name']}").status == 200
    assert [capturer.call(verb, path).status for verb, path in paths] == [403, 403, 403]


SUBJECT = {"kind": "ServiceAccount", "name": CAPTURER, "namespace": NAMESPACE}


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": [{**SUBJECT, "name": REMEDIATION_EXECUTOR}]},
        {"subjects": [{**SUBJECT, "namespace": SPACE}]},
        {"subjects": [SUBJECT, {"apiGroup": GROUP, "kind": "Group", "name": "system:authenticated"}]},
        {"subjects": []},
        {"metadata": {"name": "no-case", "namespace": SPACE}},
    ],
    ids=["itself", "another-namespaces", "everybody-too", "nobody", "no-case"],
)
def test_the_executor_gives_the_right_to_the_capturer_alone_and_for_a_case(
    executor: Api, changes: dict[str, Any]
) -> None:
    refused = executor.create(right(**changes))
    assert refused.status == 422
    assert "firebreak-executor-rolebinding-cage" in refused.message


@pytest.mark.parametrize("role", [EXECUTOR_ROLE, "cluster-admin", "view", "admin"])
def test_the_executor_gives_no_other_right(executor: Api, role: str) -> None:
    other = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
    assert executor.create(right(roleRef=other)).status in (403, 422)


def test_the_executor_gives_nothing_where_nothing_is_enrolled_and_deletes_nobodys_bindings(
    control_plane: ControlPlane, executor: Api
) -> None:
    assert executor.create(right(OTHER)).status == 403
    assert executor.create(right(NAMESPACE)).status == 403
    viewers = [{"apiGroup": GROUP, "kind": "Group", "name": "viewers"}]
    theirs = right(roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": "view"}, subjects=viewers)
    theirs["metadata"] = {"name": "theirs", "namespace": SPACE}
    assert control_plane.admin.create(theirs).status == 201
    assert executor.delete(f"{BINDINGS}/theirs").status == 422
    assert executor.delete(f"{BINDINGS}/{EXECUTOR_ROLE}").status == 422


def test_nobody_else_lets_the_capturer_look_not_even_who_may_bind_every_role(
    control_plane: ControlPlane, executor: Api
) -> None:
    person = control_plane.person("binder", "system:masters")
    assert person.create(right()).status == 422
    everywhere = {**right(), "kind": "ClusterRoleBinding", "metadata": {"name": "everywhere"}}
    assert person.create(everywhere).status == 422
    assert control_plane.agent(LIAISON).create(right()).status in (403, 422)
