"""The admission policies on a real API server: allowed shapes pass, every other shape is refused."""

import time
import uuid
from typing import Any

import pytest

from deploy import manifests
from deploy.identities import EXECUTOR_ROLE
from deploy.people import LEAD_VERBS, ONCALL_VERBS
from deploy.rbac import executor_binding
from signals.approvals import Verb
from signals.stops import ORDERS
from signals.subjects import LIAISON, NAMESPACE, ORDER, REMEDIATION_EXECUTOR, service_account
from tests.control_plane import Answer, Api, ControlPlane

pytestmark = pytest.mark.stack

SPACE = "cage"
OTHER = "cage-outside"
MARK = "firebreak.dev/m-0123abcd"
CASE = "shop-web-0123abcd"
OURS = {"app.kubernetes.io/managed-by": "firebreak", "firebreak.dev/case": CASE}
EXPRESSIONS = "/spec/podSelector/matchExpressions"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings"


def caged(answer: Answer) -> bool:
    """Return whether an admission policy of ours refused it."""
    return answer.status == 422 and "ValidatingAdmissionPolicy 'firebreak-" in answer.message


def op(verb: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": verb, "path": path, "value": value}


def exclusion(operator: str = "NotIn", key: str = MARK) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": [CASE]}


@pytest.fixture(scope="module")
def executor(control_plane: ControlPlane) -> Api:
    """The executor, where one namespace is enrolled and another is not."""
    for name in (SPACE, OTHER):
        control_plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert control_plane.agent(LIAISON).create(executor_binding(SPACE)).status in (201, 409)
    return control_plane.agent(REMEDIATION_EXECUTOR)


def policy(labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "podSelector": {"matchLabels": {MARK: CASE}},
        "policyTypes": ["Ingress", "Egress"],
        **spec,
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p-{uuid.uuid4().hex}", "namespace": SPACE, "labels": labels or {}},
        "spec": given,
    }


@pytest.fixture
def foreign(control_plane: ControlPlane, executor: Api) -> str:
    """The path of a policy that the namespace's own people made."""
    made = policy(
        {"team": "shop"},
        podSelector={"matchLabels": {"app": "web"}},
        policyTypes=["Ingress"],
        ingress=[{"ports": [{"port": 80}]}],
    )
    assert control_plane.admin.create(made).status == 201
    return f"{POLICIES}/{made['metadata']['name']}"


@pytest.fixture
def own(control_plane: ControlPlane, executor: Api) -> str:
    """The path of a policy that the executor made."""
    made = policy(OURS)
    assert executor.create(made).status == 201
    return f"{POLICIES}/{made['metadata']['name']}"


@pytest.fixture
def pod(control_plane: ControlPlane, executor: Api) -> str:
    """The path of a pod of the namespace."""
    name = f"web-{uuid.uuid4().hex}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE, "labels": {"app": "web"}, "annotations": {"a": "b"}},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "example.com/web:1"}],
        },
    }
    assert control_plane.admin.create(manifest).status == 201
    return f"{PODS}/{name}"


# ---- people -------------------------------------------------------------------------------------------------


def command(verb: Verb, actor: str, role: str = "oncall", namespace: str = NAMESPACE) -> dict[str, Any]:
    about: dict[str, Any] = {"incident": "i-1"}
    if verb in (Verb.ENROL, Verb.UNENROL):
        about = {"namespace": "shop", "mode": "auto"}
    if verb in ORDERS:
        changed = {"fromPolicy": "a" * 64, "toPolicy": "b" * 64}
        about = {Verb.APPROVE_POLICY: changed, Verb.RESUME: {"stop": "c-1"}}.get(verb, {})
    said = {"rule": "R", "namespace": "shop", "workload": "Deployment/web", "reason": "why", "seconds": 60}
    more: dict[Verb, dict[str, Any]] = {Verb.SNOOZE: said, Verb.JUDGE: {"verdict": "false"}}
    about |= more.get(verb, {})
    if verb is Verb.END_EXCEPTION:
        about = {"exception": "exc-1"}
    labels = {ORDER: str(verb)} if verb in ORDERS else {}
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Command",
        "metadata": {"name": f"c-{uuid.uuid4().hex}", "namespace": namespace, "labels": labels},
        "spec": {"verb": verb, "actor": actor, "role": role, **about},
    }


@pytest.fixture(scope="module")
def oncall(control_plane: ControlPlane) -> Api:
    return control_plane.person("alice", "firebreak:oncall")


@pytest.fixture(scope="module")
def lead(control_plane: ControlPlane) -> Api:
    return control_plane.person("lena", "firebreak:lead")


@pytest.mark.parametrize("verb", ONCALL_VERBS)
def test_who_is_on_call_says_what_on_call_may(oncall: Api, verb: Verb) -> None:
    assert oncall.create(command(verb, "alice")).status == 201


@pytest.mark.parametrize("verb", LEAD_VERBS)
@pytest.mark.parametrize("role", ["oncall", "lead"])
def test_the_lead_says_everything_in_either_role(lead: Api, verb: Verb, role: str) -> None:
    assert lead.create(command(verb, "lena", role)).status == 201


@pytest.mark.parametrize("verb", [Verb.ENROL, Verb.UNENROL])
def test_who_is_on_call_enrols_nothing(oncall: Api, verb: Verb) -> None:
    refused = oncall.create(command(verb, "alice"))

    assert caged(refused)
    assert "you may not say this" in refused.message


def test_who_is_on_call_does_not_speak_as_the_lead(oncall: Api) -> None:
    refused = oncall.create(command(Verb.APPROVE, "alice", "lead"))

    assert caged(refused)
    assert "as the lead" in refused.message


def test_nobody_speaks_in_another_persons_name(control_plane: ControlPlane, oncall: Api, lead: Api) -> None:
    for person in (oncall, lead, control_plane.admin):
        assert caged(person.create(command(Verb.APPROVE, "bob")))


def test_a_stranger_says_nothing(control_plane: ControlPlane) -> None:
    stranger = control_plane.person("mallory", "developers")

    assert stranger.create(command(Verb.APPROVE, "mallory")).status == 403


def test_a_person_with_create_on_commands_alone_says_no_verb(control_plane: ControlPlane) -> None:
    rbac = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "Role",
        "metadata": {"name": "half", "namespace": NAMESPACE},
        "rules": [{"apiGroups": ["firebreak.dev"], "resources": ["commands"], "verbs": ["create"]}],
    }
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "half", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "half"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": "harry"}],
    }
    assert [control_plane.admin.create(one).status for one in (role, binding)] == [201, 201]

    assert caged(control_plane.person("harry").create(command(Verb.APPROVE, "harry")))


def elsewhere(verb: Verb, actor: str = "alice", **spec: Any) -> dict[str, Any]:
    said = command(verb, actor)
    said["spec"] |= {"via": "slack", "nonce": "n-1", **spec}
    return said


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.APPROVE_POLICY])
def test_the_liaison_says_for_people_what_they_said_elsewhere(
    control_plane: ControlPlane, verb: Verb
) -> None:
    assert control_plane.agent(LIAISON).create(elsewhere(verb, role="lead")).status == 201


def test_the_liaison_neither_speaks_for_itself_nor_approves_a_policy(control_plane: ControlPlane) -> None:
    liaison = control_plane.agent(LIAISON)
    itself = command(Verb.APPROVE, service_account(LIAISON))
    named = command(Verb.APPROVE, "alice")

    assert all(caged(liaison.create(said)) for said in (itself, named, elsewhere(Verb.APPROVE_POLICY)))


def test_nobody_but_the_liaison_says_what_was_said_elsewhere(
    control_plane: ControlPlane, lead: Api, executor: Api
) -> None:
    own = elsewhere(Verb.APPROVE, actor="lead")

    assert all(caged(lead.create(said)) for said in (elsewhere(Verb.APPROVE), own))
    assert executor.create(elsewhere(Verb.APPROVE)).status == 403
    assert caged(control_plane.admin.create(elsewhere(Verb.APPROVE)))


def test_commands_are_spoken_in_our_namespace_only(control_plane: ControlPlane, executor: Api) -> None:
    assert caged(control_plane.admin.create(command(Verb.APPROVE, "tests", namespace=OTHER)))


# ---- the liaison --------------------------------------------------------------------------------------------


def changed(**fields: Any) -> dict[str, Any]:
    return {**executor_binding(OTHER), **fields}


SERVICE_ACCOUNT = {"kind": "ServiceAccount", "name": REMEDIATION_EXECUTOR, "namespace": NAMESPACE}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": EXECUTOR_ROLE}


@pytest.mark.parametrize(
    "binding",
    [
        changed(subjects=[SERVICE_ACCOUNT, {**SERVICE_ACCOUNT, "name": "liaison"}]),
        changed(subjects=[{**SERVICE_ACCOUNT, "name": "liaison"}]),
        changed(subjects=[{**SERVICE_ACCOUNT, "namespace": OTHER}]),
        changed(subjects=[{"apiGroup": ROLE["apiGroup"], "kind": "Group", "name": "system:authenticated"}]),
        changed(subjects=[]),
        changed(metadata={"name": "another-name", "namespace": OTHER}),
        executor_binding(NAMESPACE),
    ],
    ids=[
        "two subjects",
        "itself",
        "another namespace's account",
        "everybody",
        "nobody",
        "another name",
        "ours",
    ],
)
def test_the_liaison_binds_only_the_executor_and_never_in_our_namespace(
    control_plane: ControlPlane, executor: Api, binding: dict[str, Any]
) -> None:
    assert caged(control_plane.agent(LIAISON).create(binding))


@pytest.mark.parametrize("role", ["cluster-admin", "admin", "edit", "firebreak-lead"])
def test_the_liaison_grants_no_other_role(control_plane: ControlPlane, executor: Api, role: str) -> None:
    refused = control_plane.agent(LIAISON).create(changed(roleRef={**ROLE, "name": role}))

    assert refused.status in (403, 422)


def test_the_liaison_takes_away_only_what_it_may_give(control_plane: ControlPlane, executor: Api) -> None:
    liaison, path = control_plane.agent(LIAISON), f"{BINDINGS % OTHER}/{EXECUTOR_ROLE}"
    other = changed(subjects=[{**SERVICE_ACCOUNT, "name": "somebody-else"}])
    assert control_plane.admin.create(other).status == 201

    assert caged(liaison.delete(path))
    assert liaison.delete(f"{BINDINGS % 'kube-system'}/system::leader-locking-kube-scheduler").status == 403
    assert liaison.patch(path, op("add", "/metadata/labels/x", "y")).status == 403
    assert control_plane.admin.delete(path).status == 200


# ---- the executor: NetworkPolicies --------------------------------------------------------------------------


def test_the_executor_creates_extends_and_deletes_a_policy_of_its_case(executor: Api, own: str) -> None:
    expiry = {"firebreak.dev/expires-at": "2026-01-02T03:04:05Z"}

    assert executor.patch(own, op("add", "/metadata/annotations", expiry)).status == 200
    assert (
        executor.patch(own, op("add", EXPRESSIONS, [exclusion(key="firebreak.dev/m-another1")])).status == 200
    )
    assert executor.delete(own).status == 200


@pytest.mark.parametrize(
    "made",
    [
        policy(),
        policy({"app.kubernetes.io/managed-by": "firebreak"}),
        policy({"firebreak.dev/case": CASE}),
        policy({**OURS, "app.kubernetes.io/managed-by": "helm"}),
        policy(OURS, podSelector={}),
        policy(OURS, podSelector={"matchLabels": {"app": "web"}}),
        policy(OURS, podSelector={"matchExpressions": [exclusion("In")]}),
    ],
    ids=["unlabelled", "no case", "no manager", "another's", "everybody", "by their label", "by an In"],
)
def test_the_executor_creates_no_policy_but_over_marked_pods_of_a_case(
    executor: Api, made: dict[str, Any]
) -> None:
    assert caged(executor.create(made))


def test_a_dry_run_is_caged_as_the_write_would_be(executor: Api) -> None:
    assert executor.call("POST", f"{POLICIES}?dryRun=All", policy(OURS)).status == 201
    assert caged(executor.call("POST", f"{POLICIES}?dryRun=All", policy()))


def test_the_executor_adds_and_takes_back_exclusions_in_a_foreign_policy(executor: Api, foreign: str) -> None:
    second = exclusion(key="firebreak.dev/m-ffff0000")

    assert executor.patch(foreign, op("add", EXPRESSIONS, [exclusion()])).status == 200
    assert executor.patch(foreign, op("add", f"{EXPRESSIONS}/-", second)).status == 200
    assert executor.patch(foreign, op("remove", f"{EXPRESSIONS}/0")).status == 200
    assert executor.patch(foreign, op("remove", EXPRESSIONS)).status == 200


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/spec/ingress/-", {}),
        op("remove", "/spec/ingress"),
        op("add", "/spec/egress", [{}]),
        op("add", "/spec/policyTypes", ["Ingress", "Egress"]),
        op("replace", "/spec/podSelector/matchLabels/app", "x"),
        op("add", "/spec/podSelector/matchLabels/tier", "x"),
        op("replace", "/spec/podSelector", {}),
        op("add", EXPRESSIONS, [exclusion("In")]),
        op("add", EXPRESSIONS, [{"key": MARK, "operator": "Exists"}]),
        op("add", EXPRESSIONS, [exclusion(key="app")]),
        op("add", EXPRESSIONS, [exclusion(key="firebreak.dev/x-1")]),
        op("add", "/metadata/labels/app.kubernetes.io~1managed-by", "firebreak"),
        op("remove", "/metadata/labels/team"),
        op("add", "/metadata/annotations", {"firebreak.dev/x": "y"}),
        op("add", "/metadata/finalizers", ["firebreak.dev/keep"]),
        op(
            "add", "/metadata/ownerReferences", [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}]
        ),
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']} {str(operation['value'])[:40]}",
)
def test_the_executor_changes_nothing_else_of_a_foreign_policy(
    executor: Api, foreign: str, operation: dict[str, Any]
) -> None:
    assert caged(executor.patch(foreign, operation))


def test_the_executor_takes_no_exclusion_of_others_away(
    control_plane: ControlPlane, executor: Api, foreign: str
) -> None:
    theirs = op("add", EXPRESSIONS, [exclusion(key="tier"), exclusion()])
    assert control_plane.admin.patch(foreign, theirs).status == 200

    assert caged(executor.patch(foreign, op("remove", f"{EXPRESSIONS}/0")))
    assert executor.patch(foreign, op("remove", f"{EXPRESSIONS}/1")).status == 200


def test_the_executor_deletes_no_foreign_policy(executor: Api, foreign: str) -> None:
    assert caged(executor.delete(foreign))


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/spec/ingress", [{}]),
        op("replace", "/spec/podSelector/matchLabels", {MARK: "another-case"}),
        op("replace", "/spec/podSelector", {}),
        op("replace", "/metadata/labels/firebreak.dev~1case", "another"),
        op("remove", "/metadata/labels/app.kubernetes.io~1managed-by"),
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_not_even_its_own_policy_is_widened_or_renamed(
    executor: Api, own: str, operation: dict[str, Any]
) -> None:
    assert caged(executor.patch(own, operation))


def test_the_executor_deletes_no_collection(executor: Api) -> None:
    assert executor.delete(POLICIES).status == 403
    assert executor.delete(PODS).status == 403


# ---- the executor: pods -------------------------------------------------------------------------------------


def test_the_executor_marks_a_pod_and_takes_the_mark_back(executor: Api, pod: str) -> None:
    label, note = (
        "/metadata/labels/firebreak.dev~1m-0123abcd",
        "/metadata/annotations/firebreak.dev~1m-0123abcd",
    )

    assert executor.patch(pod, op("add", label, CASE), op("add", note, "{}")).status == 200
    assert executor.patch(pod, op("remove", label), op("remove", note)).status == 200


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/metadata/labels/app", "x"),
        op("remove", "/metadata/labels/app"),
        op("add", "/metadata/labels/tier", "x"),
        op("add", "/metadata/labels/firebreak.dev.evil~1x", "x"),
        op("replace", "/metadata/annotations/a", "x"),
        op("remove", "/metadata/annotations"),
        op("add", "/metadata/annotations/c", "x"),
        op("add", "/metadata/finalizers", ["firebreak.dev/keep"]),
        op(
            "add", "/metadata/ownerReferences", [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}]
        ),
        op("replace", "/spec/containers/0/image", "example.com/evil:1"),
        op("add", "/spec/activeDeadlineSeconds", 1),
        op("add", "/spec/tolerations/-", {"operator": "Exists"}),
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_the_executor_changes_nothing_else_of_a_pod(
    executor: Api, pod: str, operation: dict[str, Any]
) -> None:
    assert caged(executor.patch(pod, operation))


def test_the_executor_deletes_and_execs_no_pod_and_evicts_only_where_it_is_enrolled(
    executor: Api, pod: str
) -> None:
    assert executor.delete(pod).status == 403
    assert executor.call("POST", f"{pod}/exec").status == 403
    elsewhere = "/api/v1/namespaces/kube-system/pods/coredns-0/eviction"
    assert executor.call("POST", elsewhere, {}).status == 403


# ---- all of them --------------------------------------------------------------------------------------------


def test_the_executor_is_caged_in_our_namespace_even_where_somebody_bound_it(
    control_plane: ControlPlane, executor: Api
) -> None:
    assert control_plane.admin.create(executor_binding(NAMESPACE)).status == 201
    try:
        made = policy(OURS)
        made["metadata"]["namespace"] = NAMESPACE
        assert caged(executor.create(made))
    finally:
        control_plane.admin.delete(f"{BINDINGS % NAMESPACE}/{EXECUTOR_ROLE}")


def test_other_people_are_not_in_any_cage(control_plane: ControlPlane, pod: str, foreign: str) -> None:
    assert control_plane.admin.patch(pod, op("add", "/metadata/labels/tier", "x")).status == 200
    assert control_plane.admin.patch(foreign, op("add", "/spec/ingress/-", {})).status == 200
    assert control_plane.admin.delete(foreign).status == 200


def test_no_agent_changes_an_admission_policy(control_plane: ControlPlane, executor: Api) -> None:
    root = "/apis/admissionregistration.k8s.io/v1"
    for agent in (REMEDIATION_EXECUTOR, LIAISON, "orchestrator", "runtime-guardian", "forensic-investigator"):
        api = control_plane.agent(agent)
        for kind in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
            assert api.delete(f"{root}/{kind}/firebreak-executor-pod-cage").status == 403
            assert api.call("POST", f"{root}/{kind}", {}).status == 403


def test_every_expression_is_of_the_right_type(control_plane: ControlPlane) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    found: dict[str, Any] = {}
    for _ in range(100):
        items = control_plane.admin.call("GET", path).body["items"]
        found = {one["metadata"]["name"]: one.get("status", {}).get("typeChecking") for one in items}
        if None not in found.values():
            break
        time.sleep(0.2)

    shipped = {one["metadata"]["name"] for one in manifests() if one["kind"] == "ValidatingAdmissionPolicy"}
    assert found.keys() == shipped
    assert all(checked == {} for checked in found.values()), found
