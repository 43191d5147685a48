"""The table of agents and permissions: what it may hold, and that nothing dangerous is in it."""

import pytest

import deploy
from deploy.bus import client_certificates
from deploy.grants import Grant, grant, union
from deploy.identities import EXECUTOR_ROLE, Identity, identities
from signals.errors import BadInput
from signals.subjects import (
    AGENTS,
    CAPTURER,
    CAPTURER_ROLE,
    CONTEXT_STORE,
    CREDENTIAL_FREEZER,
    DETECTING,
    LIAISON,
    LIAISON_ROLE,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    serving_agent,
    spiffe_id,
)

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
NEVER = (
    ("", "secrets"),
    ("", "nodes/proxy"),
    ("", "pods/exec"),
    ("", "pods/attach"),
    ("", "pods/portforward"),
    ("", "pods/ephemeralcontainers"),
    ("", "serviceaccounts/token"),
)
BINDS = {LIAISON: (EXECUTOR_ROLE, LIAISON_ROLE), REMEDIATION_EXECUTOR: (CAPTURER_ROLE,)}


def everything(identity: Identity) -> list[Grant]:
    within = [one for _, grants in identity.within for one in grants]
    return [*identity.cluster, *identity.enrolled, *within]


def row(agent: str) -> Identity:
    (found,) = (identity for identity in identities() if identity.agent == agent)
    return found


def test_the_table_has_one_row_for_each_agent() -> None:
    assert tuple(identity.agent for identity in identities()) == AGENTS


@pytest.mark.parametrize("agent", AGENTS)
def test_no_agent_has_a_right_that_equals_another_right(agent: str) -> None:
    for one in everything(row(agent)):
        looks = agent == CAPTURER and one.resource == "pods/exec" and one in row(agent).enrolled
        assert looks or (one.group, one.resource) not in NEVER
        assert one.group != "admissionregistration.k8s.io" or set(one.verbs) <= {"get", "list"}
        assert "*" not in {one.group, one.resource, *one.verbs}
        assert not {"escalate", "impersonate", "deletecollection"} & set(one.verbs)
        assert "bind" not in one.verbs or one.names == BINDS[agent]


@pytest.mark.parametrize("agent", AGENTS)
def test_few_agents_write_outside_enrolled_namespaces_and_only_their_own_kinds(
    agent: str,
) -> None:
    identity = row(agent)
    outside = [*identity.cluster, *(one for _, grants in identity.within for one in grants)]
    written = {(one.group, one.resource) for one in outside if WRITING & set(one.verbs)}
    own = {
        ("firebreak.dev", "commands"),
        ("firebreak.dev", "commands/status"),
        ("firebreak.dev", "enrolments"),
        ("rbac.authorization.k8s.io", "rolebindings"),
    }

    allowed = {
        "liaison": own,
        CREDENTIAL_FREEZER: {("firebreak.dev", "freezes")},
        REMEDIATION_EXECUTOR: {("firebreak.dev", "commands/status")},
    }
    assert written == allowed.get(agent, set())


def test_only_agents_that_run_workflows_or_their_activities_have_access_to_temporal() -> None:
    without = {identity.agent for identity in identities() if not identity.temporal}

    assert without == {*DETECTING, CREDENTIAL_FREEZER, CAPTURER, CONTEXT_STORE}


def test_the_orchestrator_has_no_rights_in_any_cluster() -> None:
    assert everything(row(ORCHESTRATOR)) == []


def test_streams_and_buckets_have_one_owner_each() -> None:
    owned = [name for identity in identities() for name in (*identity.streams, *identity.buckets)]

    assert len(owned) == len(set(owned))


def test_every_service_is_its_agents_own_and_every_question_has_an_agent_that_answers() -> None:
    served = {subject: identity.agent for identity in identities() for subject in identity.serves}

    assert {subject: serving_agent(subject) for subject in served} == served
    for identity in identities():
        assert set(identity.asks) <= set(served)
        assert not set(identity.asks) & set(identity.serves)


def test_every_certificate_has_the_spiffe_id_of_its_name() -> None:
    certificates = client_certificates()

    assert set(AGENTS) < set(certificates)
    assert {f"provisioner-{agent}" for agent in AGENTS} < set(certificates)
    assert certificates == {name: spiffe_id(name) for name in certificates}


@pytest.mark.parametrize(
    ("text", "group", "resource", "verbs"),
    [
        ("pods: get", "", "pods", ("get",)),
        ("pods/eviction: create", "", "pods/eviction", ("create",)),
        ("apps/deployments/scale: get, update", "apps", "deployments/scale", ("get", "update")),
        (
            "networking.k8s.io/networkpolicies: list,watch",
            "networking.k8s.io",
            "networkpolicies",
            ("list", "watch"),
        ),
    ],
)
def test_a_permission_reads_as_group_resource_and_verbs(
    text: str, group: str, resource: str, verbs: tuple[str, ...]
) -> None:
    assert grant(text) == Grant(group=group, resource=resource, verbs=verbs)


@pytest.mark.parametrize("text", ["", "pods", "pods:", ": get", "pods: *", "apps/*: get"])
def test_what_is_no_permission_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        grant(text)


def test_grants_of_one_resource_are_joined_and_sorted() -> None:
    joined = union([grant("pods: patch"), grant("apps/deployments: get"), grant("pods: get, patch")])

    assert joined == (grant("pods: get, patch"), grant("apps/deployments: get"))


def test_the_roles_of_executor_and_capturer_are_bound_nowhere_at_the_installation() -> None:
    both = (EXECUTOR_ROLE, CAPTURER_ROLE)
    bound = [one for one in deploy.manifests() if one.get("roleRef", {}).get("name") in both]

    assert bound == []
    assert f"firebreak-{REMEDIATION_EXECUTOR}" == EXECUTOR_ROLE


def test_a_policy_with_parameters_fails_open() -> None:
    """Until an API server has read the parameters it would else refuse what everybody writes, not only ours."""
    policies = [one["spec"] for one in deploy.manifests() if one["kind"] == "ValidatingAdmissionPolicy"]
    with_parameters = [spec["failurePolicy"] for spec in policies if "paramKind" in spec]

    assert with_parameters
    assert set(with_parameters) == {"Ignore"}
