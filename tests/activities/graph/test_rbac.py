"""RBAC's decision: case by case, and against a naive evaluator."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.graph.identities import Who, impersonated_groups, implicit_groups
from activities.graph.manifests import Located
from activities.graph.rbac import GROUP, Rbac, Request
from signals.errors import BadInput
from tests.activities.graph.rbac_worlds import (
    Manifest,
    binding,
    located,
    naive,
    request,
    who,
    world,
)

ALICE = Who("alice", ("devs", "system:authenticated"))
READ = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


def role(*rules: Manifest, name: str = "r", namespace: str = "", **more: Any) -> Manifest:
    place = {"namespace": namespace} if namespace else {}
    kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name, **place},
        "rules": [*rules],
        **more,
    }


def bound(
    subject: Manifest | None = None, namespace: str = "", kind: str = "ClusterRole", name: str = "r"
) -> Manifest:
    place = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": "b", **place},
        "roleRef": {"kind": kind, "name": name},
        "subjects": [subject or {"kind": "User", "name": "alice"}],
    }


def allowed(asker: Who, asked: Request, *manifests: Manifest) -> bool:
    return Rbac(located(manifests)).decide(asker, asked).allowed


def asked(verb: str = "get", resource: str = "pods", namespace: str = "shop", **more: Any) -> Request:
    resource, _, below = resource.partition("/")
    return Request(verb=verb, resource=resource, subresource=below, namespace=namespace, **more)


@given(st.integers(0, 2**32))
def test_it_agrees_with_a_naive_evaluator_on_every_rule_that_allows(seed: int) -> None:
    random = Random(seed)
    manifests = world(random, roles=random.randint(0, 12), bindings=random.randint(0, 20))
    random.shuffle(manifests)
    rbac = Rbac(located(manifests))
    for _ in range(20):
        asker, question = who(random), request(random)
        decision = rbac.decide(asker, question)
        ours = {
            (f"{one.binding.id.partition('/')[0]}/{one.binding.id.rpartition('/')[2]}", id(one.rule))
            for one in decision.by
        }
        theirs = naive(manifests, asker, question)
        assert (decision.allowed, len(ours)) == (bool(theirs), len(theirs)), (asker, question, theirs)
        assert {name for name, _ in ours} == {name for name, _ in theirs}


@given(st.integers(0, 2**32))
def test_one_more_binding_never_takes_a_right_away(seed: int) -> None:
    random = Random(seed)
    manifests = world(random, roles=8, bindings=10)
    roles = [one for one in manifests if one["kind"].endswith("Role")]
    more = [*manifests, binding(random, "more", roles, random.choice(("", "oracle-a")))]
    before, after = Rbac(located(manifests)), Rbac(located(more))
    for _ in range(20):
        asker, question = who(random), request(random)
        assert after.decide(asker, question).allowed >= before.decide(asker, question).allowed


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_order_of_objects_changes_nothing(seed: int, shuffler: Random) -> None:
    random = Random(seed)
    manifests = world(random, roles=8, bindings=10)
    mixed = [*manifests]
    shuffler.shuffle(mixed)
    one, other = Rbac(located(manifests)), Rbac(located(mixed))
    for _ in range(10):
        asker, question = who(random), request(random)
        first, second = one.decide(asker, question), other.decide(asker, question)
        assert (first.reason, [by.as_json() for by in first.by]) == (
            second.reason,
            [by.as_json() for by in second.by],
        )


@pytest.mark.parametrize(
    ("rule", "question", "expected"),
    [
        ({"resources": ["pods/*"]}, asked(resource="pods/log"), False),
        ({"resources": ["*/log"]}, asked(resource="pods/log"), True),
        ({"resources": ["*"]}, asked(resource="pods/log"), True),
        ({"resources": ["pods"]}, asked(resource="pods/log"), False),
        ({"resources": ["*/"]}, asked(), False),
        ({"resourceNames": ["web-0"]}, asked(name="web-0"), True),
        ({"resourceNames": ["web-0"]}, asked(), False),
        ({"resourceNames": []}, asked(), True),
        ({"verbs": ["GET"]}, asked(), False),
        ({"apiGroups": ["*"]}, asked(group="apps"), True),
        ({"apiGroups": []}, asked(), False),
        ({"apiGroups": None}, asked(), False),
    ],
)
def test_a_rule_means_exactly_what_the_authorizer_reads_in_it(
    rule: Manifest, question: Request, expected: bool
) -> None:
    assert allowed(ALICE, question, role({**READ, **rule}), bound()) is expected


@pytest.mark.parametrize(
    ("path", "question", "expected"),
    [
        ("/healthz/*", "/healthz", False),
        ("/healthz/*", "/healthz/", True),
        ("/healthz*", "/healthz", True),
        ("*", "/anything", True),
        ("/a**", "/ab", True),
        ("/healthz", "/healthz/", False),
    ],
)
def test_a_path_is_meant_exactly_or_by_a_star_at_its_end(path: str, question: str, expected: bool) -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": [path]}
    request = Request(verb="get", path=question)
    assert allowed(ALICE, request, role(rule), bound()) is expected
    assert not allowed(
        ALICE, Request(verb="get", path=question, namespace="shop"), role(rule), bound(namespace="shop")
    )


@pytest.mark.parametrize(
    ("subject", "asker", "expected"),
    [
        ({"kind": "User", "name": "alice"}, Who("alice", ()), True),
        ({"kind": "User", "name": "*"}, Who("alice", ()), False),
        ({"kind": "Group", "name": "devs"}, ALICE, True),
        ({"kind": "Group", "name": "alice"}, ALICE, False),
        ({"kind": "ServiceAccount", "name": "w"}, Who("system:serviceaccount:shop:w", ()), True),
        ({"kind": "ServiceAccount", "name": "w"}, Who("system:serviceaccount:other:w", ()), False),
        ({"kind": "ServiceAccount", "name": "w", "namespace": "x"}, Who("system:serviceaccount:x:w", ()), True),
        ({"kind": "User", "name": "system:serviceaccount:x:w"}, Who("system:serviceaccount:x:w", ()), True),
        ({"kind": "Robot", "name": "alice"}, Who("alice", ()), False),
    ],
)  # fmt: skip
def test_a_subject_is_met_as_the_api_server_meets_it(subject: Manifest, asker: Who, expected: bool) -> None:
    assert allowed(asker, asked(), role(READ), bound(subject, namespace="shop")) is expected


def test_an_account_without_a_namespace_means_nobody_in_a_cluster_role_binding() -> None:
    subject = {"kind": "ServiceAccount", "name": "w"}
    assert not allowed(Who("system:serviceaccount:shop:w", ()), asked(), role(READ), bound(subject))


def test_a_role_binding_holds_in_its_namespace_and_nowhere_else() -> None:
    granted = (role(READ), bound(namespace="shop"))
    assert allowed(ALICE, asked(), *granted)
    assert not allowed(ALICE, asked(namespace="other"), *granted)
    assert not allowed(ALICE, asked(namespace=""), *granted)


def test_a_role_is_looked_up_in_the_namespace_of_its_binding() -> None:
    assert allowed(ALICE, asked(), role(READ, namespace="shop"), bound(namespace="shop", kind="Role"))
    assert not allowed(ALICE, asked(), role(READ, namespace="other"), bound(namespace="shop", kind="Role"))
    assert not allowed(ALICE, asked(), role(READ, namespace="shop"), bound(kind="Role"))


def test_a_missing_role_grants_nothing_and_is_named() -> None:
    decision = Rbac(located([bound(name="gone")])).decide(ALICE, asked())
    assert not decision.allowed
    assert 'ClusterRoleBinding "b" names ClusterRole "gone", which is not there' in decision.reason


def test_masters_may_do_everything_and_rbac_is_not_asked() -> None:
    decision = Rbac([]).decide(Who("root", ("system:masters",)), asked("delete", "nodes"))
    assert (decision.allowed, decision.by) == (True, ())


def test_a_node_is_told_that_another_authorizer_decides() -> None:
    assert "Node authorizer" in Rbac([]).decide(Who("system:node:n1", ("system:nodes",)), asked()).reason


def test_an_answer_names_every_binding_role_and_rule_and_speaks_as_the_api_server() -> None:
    manifests = [role(READ), bound(), bound({"kind": "Group", "name": "devs"}, namespace="shop")]
    decision = Rbac(located(manifests)).decide(ALICE, asked())
    assert [one.as_json() for one in decision.by] == [
        {"binding": "ClusterRoleBinding/b", "role": "ClusterRole/r", "rule": READ},
        {"binding": "RoleBinding/shop/b", "role": "ClusterRole/r", "rule": READ},
    ]
    assert decision.reason == 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "alice"'


def test_a_manifest_is_aggregated_and_what_a_cluster_stored_is_taken_as_it_stands() -> None:
    gather = {"clusterRoleSelectors": [{"matchLabels": {"into": "r"}}]}
    part = role(READ, name="part")
    part["metadata"]["labels"] = {"into": "r"}
    fresh = role({**READ, "verbs": ["delete"]}, aggregationRule=gather)
    assert allowed(ALICE, asked(), fresh, part, bound())
    assert not allowed(ALICE, asked("delete"), fresh, part, bound())
    stored = {**fresh, "metadata": {**fresh["metadata"], "resourceVersion": "7"}}
    assert not allowed(ALICE, asked(), stored, part, bound())
    assert allowed(ALICE, asked("delete"), stored, part, bound())


def test_an_aggregated_role_that_finds_nothing_keeps_what_stands_in_it_and_gives_it_on() -> None:
    nothing = {"clusterRoleSelectors": [{"matchLabels": {"into": "nowhere"}}]}
    inner = role(READ, name="inner", aggregationRule=nothing)
    inner["metadata"]["labels"] = {"into": "r"}
    outer = role(
        {**READ, "verbs": ["delete"]},
        aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"into": "r"}}]},
    )
    assert allowed(ALICE, asked(), inner, bound(name="inner"))
    assert allowed(ALICE, asked(), inner, outer, bound())
    assert not allowed(ALICE, asked("delete"), inner, outer, bound())


def test_roles_that_gather_each_other_hold_what_ordinary_ones_bring() -> None:
    gather = {"clusterRoleSelectors": [{"matchExpressions": [{"key": "into", "operator": "Exists"}]}]}
    circle = [role(name=name, aggregationRule=gather) for name in ("r", "s")]
    for one in circle:
        one["metadata"]["labels"] = {"into": "all"}
    part = role(READ, name="part")
    part["metadata"]["labels"] = {"into": "all"}
    assert allowed(ALICE, asked(), *circle, part, bound())
    assert not allowed(ALICE, asked(), *circle, bound())


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        ("alice", ("system:authenticated",)),
        ("system:anonymous", ("system:unauthenticated",)),
        (
            "system:serviceaccount:shop:web",
            ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"),
        ),
        ("system:serviceaccount:shop", ("system:authenticated",)),
    ],
)
def test_the_api_server_adds_groups_by_itself(user: str, groups: tuple[str, ...]) -> None:
    assert implicit_groups(user) == groups == impersonated_groups(user, ())


def test_who_is_acted_as_with_groups_gets_only_the_authenticated_one_added() -> None:
    assert impersonated_groups("system:serviceaccount:a:b", ["x"]) == ("x", "system:authenticated")
    assert impersonated_groups("alice", ["system:unauthenticated"]) == ("system:unauthenticated",)
    assert impersonated_groups("system:anonymous", ["x"]) == ("x", "system:unauthenticated")
    assert impersonated_groups("system:anonymous", ["system:unauthenticated"]) == ("system:unauthenticated",)


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        ({**role(), "rules": "all"}, "rules must be a list"),
        (role({**READ, "verbs": "get"}), r"rules\[0\] verbs must be a list of text"),
        (role("get"), r"rules\[0\] must be an object"),  # type: ignore[arg-type] # is wrong on purpose
        (role(aggregationRule=[]) | {"aggregationRule": [1]}, "clusterRoleSelectors"),
        (role(aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a"}]}]}), "label selectors"),
        ({**bound(), "roleRef": {"name": "r"}}, "roleRef must name"),
        ({**bound(), "subjects": {}} | {"subjects": "x"}, "subjects must be a list"),
        ({**bound(), "subjects": [{"kind": "User"}]}, "each subject"),
    ],
)  # fmt: skip
def test_a_role_or_binding_that_is_none_is_named_by_file_and_line(manifest: Manifest, fault: str) -> None:
    with pytest.raises(BadInput, match=rf"f\.yaml:7: .*{fault}"):
        Rbac([Located(manifest, "f.yaml", 7)])
