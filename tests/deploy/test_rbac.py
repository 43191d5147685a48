"""RBAC on a real API server: what each identity can do, and what none can."""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.grants import Grant
from deploy.identities import EXECUTOR_ROLE, Identity, identities
from deploy.rbac import executor_binding
from signals.subjects import (
    AGENTS,
    DOMAIN,
    FORENSIC_INVESTIGATOR,
    LIAISON,
    NAMESPACE,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    service_account,
)
from tests.control_plane import ControlPlane

pytestmark = pytest.mark.stack

BROAD = (
    ("get", "", "secrets", ""),
    ("list", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("get", "", "nodes", "proxy"),
    ("create", "", "serviceaccounts", "token"),
    ("impersonate", "", "users", ""),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("create", "admissionregistration.k8s.io", "validatingadmissionpolicies", ""),
    ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings", ""),
    ("create", "firebreak.dev", "commands", ""),
)


def may(
    plane: ControlPlane, user: str, verb: str, group: str, resource: str, subresource: str, namespace: str
) -> bool:
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
    }
    groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
    answer = plane.admin.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
        }
    )
    return bool(answer.body["status"]["allowed"])


def rules(plane: ControlPlane, agent: str, namespace: str) -> list[dict[str, Any]]:
    """Return what an agent may do in a namespace, less what everybody may."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {"namespace": namespace},
    }
    found = plane.agent(agent).create(review).body["status"]["resourceRules"]
    return [rule for rule in found if not rule["apiGroups"][0].startswith("auth")]


def flat(found: list[dict[str, Any]]) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {
        (group, resource, verb, tuple(rule.get("resourceNames") or ()))
        for rule in found
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def table(grants: tuple[Grant, ...]) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {(one.group, one.resource, verb, one.names) for one in grants for verb in one.verbs}


@pytest.fixture(scope="module")
def enrolled(control_plane: ControlPlane) -> Iterator[str]:
    name = "rbac-enrolled"
    control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert control_plane.agent(LIAISON).create(executor_binding(name)).status == 201
    yield name
    control_plane.admin.delete(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings/{EXECUTOR_ROLE}"
    )


def row(agent: str) -> Identity:
    (found,) = (one for one in identities() if one.agent == agent)
    return found


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_may_do_exactly_what_its_row_says(control_plane: ControlPlane, agent: str) -> None:
    identity = row(agent)
    within = dict(identity.within)

    for namespace in ("default", "kube-system", NAMESPACE):
        expected = table(identity.cluster) | table(within.get(namespace, ()))
        assert flat(rules(control_plane, identity.agent, namespace)) == expected


def test_the_executor_may_act_in_an_enrolled_namespace_and_in_no_other(
    control_plane: ControlPlane, enrolled: str
) -> None:
    executor = row(REMEDIATION_EXECUTOR)

    assert flat(rules(control_plane, REMEDIATION_EXECUTOR, enrolled)) == table(executor.cluster) | table(
        executor.enrolled
    )
    agent = control_plane.agent(REMEDIATION_EXECUTOR)
    policies = "apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/nobodys"
    assert agent.delete("/" + policies.format(enrolled)).status == 404
    assert agent.delete("/" + policies.format("default")).status == 403
    assert agent.patch("/api/v1/namespaces/default/pods/x").status == 403


@pytest.mark.parametrize("agent", AGENTS)
def test_no_agent_has_a_right_that_leads_to_every_other(
    control_plane: ControlPlane, enrolled: str, agent: str
) -> None:
    allowed = [
        asked
        for asked in BROAD
        for namespace in ("default", enrolled, NAMESPACE, "")
        if may(control_plane, service_account(agent), *asked, namespace)
        and (agent, asked[:3], namespace) != (LIAISON, ("create", DOMAIN, "commands"), NAMESPACE)
    ]

    assert allowed == [], "the liaison says what people said elsewhere; admission sees to what and for whom"


def test_the_orchestrator_reads_nothing(control_plane: ControlPlane) -> None:
    orchestrator = control_plane.agent(ORCHESTRATOR)

    for path in ("/api/v1/pods", "/api/v1/namespaces", "/apis/firebreak.dev/v1alpha1/enrolments"):
        assert orchestrator.call("GET", path).status == 403


def test_the_investigator_reads_pods_everywhere_and_writes_nothing(control_plane: ControlPlane) -> None:
    investigator = control_plane.agent(FORENSIC_INVESTIGATOR)

    assert investigator.call("GET", "/api/v1/pods").status == 200
    assert investigator.call("GET", "/api/v1/secrets").status == 403
    assert investigator.delete("/api/v1/namespaces/default/pods/x").status == 403


def test_the_liaison_enrols_and_unenrols_a_namespace(control_plane: ControlPlane) -> None:
    liaison, name = control_plane.agent(LIAISON), "rbac-by-liaison"
    control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    enrolment = {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Enrolment",
        "metadata": {"name": name},
        "spec": {"mode": "shadow"},
    }
    path = f"/apis/firebreak.dev/v1alpha1/enrolments/{name}"

    assert liaison.create(enrolment).status == 201
    mode = {"op": "replace", "path": "/spec/mode", "value": "auto"}
    assert liaison.patch(path, mode).body["spec"] == {"mode": "auto"}
    assert liaison.create(executor_binding(name)).status == 201
    assert liaison.delete(path).status == 200
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings/{EXECUTOR_ROLE}"
    assert liaison.delete(binding).status == 200


def test_both_kinds_of_people_see_what_is_enrolled_and_what_was_said(control_plane: ControlPlane) -> None:
    for person in (
        control_plane.person("rbac-oncall", "firebreak:oncall"),
        control_plane.person("rbac-lead", "firebreak:lead"),
    ):
        assert person.call("GET", "/apis/firebreak.dev/v1alpha1/enrolments").status == 200
        commands = f"/apis/firebreak.dev/v1alpha1/namespaces/{NAMESPACE}/commands"
        assert person.call("GET", commands).status == 200
        assert person.call("GET", "/api/v1/pods").status == 403
