"""Who may write which roles and bindings, case by case. The real API server is asked in test_rbac_oracle."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.graph.escalation import checked, covers, decide
from activities.graph.identities import Who
from activities.graph.rbac import GROUP, Decision, Rbac, Request
from activities.graph.roles import Rule
from signals.errors import BadInput
from tests.activities.graph.rbac_worlds import Manifest, located, request, rule

BOB = Who("bob", ())
READ = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}
WRITE = {
    "verbs": ["create", "update"],
    "apiGroups": [GROUP],
    "resources": ["roles", "clusterroles", "rolebindings", "clusterrolebindings"],
}
EVERYTHING = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


def made(kind: str, name: str, **fields: Any) -> Manifest:
    place = {} if kind.startswith("Cluster") else {"namespace": "shop"}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name, **place}, **fields}


def holding(*rules: Manifest) -> list[Manifest]:
    """Return a cluster in which Bob holds these rules everywhere."""
    subjects = [{"kind": "User", "name": "bob"}]
    ref = {"kind": "ClusterRole", "name": "bobs"}
    return [
        made("ClusterRole", "bobs", rules=[*rules]),
        made("ClusterRoleBinding", "bobs", roleRef=ref, subjects=subjects),
    ]


def asked(manifest: Manifest, verb: str, objects: list[Manifest], asker: Who = BOB) -> Decision:
    question = Request(
        verb=verb,
        group=GROUP,
        resource=f"{manifest['kind'].lower()}s",
        namespace=manifest["metadata"].get("namespace", ""),
        name=manifest["metadata"]["name"],
    )
    assert checked(question)
    return decide(Rbac(located(objects)), asker, question, manifest)


def grants(verb: str, resource: str, *names: str) -> Manifest:
    return {"verbs": [verb], "apiGroups": [GROUP], "resources": [resource], "resourceNames": [*names]}


REFERS: Manifest = {"roleRef": {"kind": "ClusterRole", "name": "reader"}, "subjects": []}
READER = made("ClusterRole", "reader", rules=[READ])


@pytest.mark.parametrize(
    ("held", "manifest", "expected"),
    [
        ([], made("Role", "new", rules=[READ]), False),
        ([READ], made("Role", "new", rules=[READ]), True),
        ([{**READ, "resourceNames": ["a"]}], made("Role", "new", rules=[READ]), False),
        ([READ], made("Role", "new", rules=[{**READ, "resourceNames": ["a"]}]), True),
        ([grants("escalate", "roles")], made("Role", "new", rules=[READ]), True),
        ([grants("escalate", "roles", "new")], made("Role", "new", rules=[READ]), False),
        ([grants("escalate", "clusterroles")], made("Role", "new", rules=[READ]), False),
        ([], made("RoleBinding", "new", **REFERS), False),
        ([READ], made("RoleBinding", "new", **REFERS), True),
        ([grants("bind", "clusterroles", "reader")], made("RoleBinding", "new", **REFERS), True),
        ([grants("bind", "clusterroles", "other")], made("ClusterRoleBinding", "new", **REFERS), False),
        (
            [grants("bind", "roles")],
            made("RoleBinding", "new", roleRef={"kind": "Role", "name": "gone"}),
            True,
        ),
        ([*EVERYTHING], made("ClusterRoleBinding", "new", roleRef={"kind": "Role", "name": "x"}), False),
        ([READ], made("RoleBinding", "new", roleRef={"kind": "Role", "name": "gone"}), False),
        ([], made("Role", "new", rules=[]), True),
        ([], made("ClusterRole", "new", aggregationRule={"clusterRoleSelectors": [{}]}), False),
        (EVERYTHING, made("ClusterRole", "new", aggregationRule={"clusterRoleSelectors": [{}]}), True),
        ([], made("ClusterRole", "new", aggregationRule={}), True),
    ],
)
def test_nobody_gives_what_they_do_not_hold(held: list[Manifest], manifest: Manifest, expected: bool) -> None:
    assert asked(manifest, "create", [*holding(WRITE, *held), READER]).allowed is expected


def test_the_request_itself_must_be_allowed_first() -> None:
    decision = asked(made("Role", "new", rules=[READ]), "create", holding(READ))
    assert not decision.allowed
    assert decision.reason.startswith("RBAC: no rule allows")


def test_a_name_in_a_rule_never_allows_something_new() -> None:
    named = {**WRITE, "resourceNames": ["new"]}
    assert not asked(made("Role", "new", rules=[]), "create", holding(named)).allowed


def test_masters_give_everything_but_not_what_cannot_be() -> None:
    root = Who("root", ("system:masters",))
    assert asked(made("Role", "new", rules=EVERYTHING), "create", [], root).allowed
    assert not asked(
        made("ClusterRoleBinding", "b", roleRef={"kind": "Role", "name": "x"}), "create", [], root
    ).allowed


def test_something_new_may_leave_its_name_to_the_server() -> None:
    unnamed = {**made("Role", "x", rules=[]), "metadata": {"namespace": "shop", "generateName": "new-"}}
    question = Request(verb="create", group=GROUP, resource="roles", namespace="shop")
    assert decide(Rbac(located(holding(WRITE))), BOB, question, unnamed).allowed


def test_an_update_is_checked_unless_only_the_garbage_collector_could_have_made_it() -> None:
    old = made("Role", "old", rules=[READ])
    objects = [*holding(WRITE), old]
    assert asked(old, "update", objects).allowed
    held = {**old, "metadata": {**old["metadata"], "finalizers": ["x"], "managedFields": [{}]}}
    assert asked(held, "update", objects).allowed
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    assert not asked(labelled, "update", objects).allowed
    assert asked(labelled, "update", [*objects, *holding(WRITE, READ)]).allowed


def test_defaults_that_the_api_server_writes_are_no_change() -> None:
    subject = {"kind": "User", "name": "eve"}
    old = made("RoleBinding", "old", roleRef={"kind": "ClusterRole", "name": "reader"}, subjects=[subject])
    full = {
        **old,
        "roleRef": {"apiGroup": GROUP, **old["roleRef"]},
        "subjects": [{"apiGroup": GROUP, "namespace": "", **subject}],
    }
    assert asked(full, "update", [*holding(WRITE), READER, old]).allowed
    more = {**full, "subjects": [*full["subjects"], {"kind": "Group", "name": "all"}]}
    assert not asked(more, "update", [*holding(WRITE), READER, old]).allowed


def test_a_binding_cannot_be_pointed_at_another_role() -> None:
    old = made("RoleBinding", "old", roleRef={"kind": "ClusterRole", "name": "bobs"})
    decision = asked({**old, **REFERS}, "update", [*holding(WRITE, *EVERYTHING), READER, old])
    assert (decision.allowed, decision.reason) == (False, "the roleRef of a binding cannot be changed")


def test_an_aggregated_role_is_not_tightened_by_someone_with_less_than_everything() -> None:
    old = made("ClusterRole", "old", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    plain = made("ClusterRole", "old", rules=[])
    assert not asked(plain, "update", [*holding(WRITE), old]).allowed
    assert asked(plain, "update", [*holding(WRITE, *EVERYTHING), old]).allowed


def test_an_update_of_what_is_not_there_is_a_create_too() -> None:
    only_update = {**WRITE, "verbs": ["update"]}
    assert not asked(made("Role", "new", rules=[]), "update", holding(only_update)).allowed
    assert asked(made("Role", "new", rules=[]), "update", holding(WRITE)).allowed


def test_a_refusal_names_what_is_missing_and_counts_the_rest() -> None:
    reason = asked(
        made("Role", "new", rules=[READ, {**READ, "apiGroups": ["apps"]}]), "create", holding(WRITE)
    ).reason
    assert (
        'user "bob" would give what they do not hold: get pods, get pods/log, list pods, list pods/log'
        in reason
    )
    assert reason.endswith("and 3 more")


def test_a_consent_names_by_what_right() -> None:
    decision = asked(
        made("RoleBinding", "new", **REFERS),
        "create",
        [*holding(WRITE, grants("bind", "clusterroles")), READER],
    )
    assert decision.reason.endswith(
        'bind is RBAC: allowed by ClusterRoleBinding "bobs" of ClusterRole "bobs" to User "bob"'
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kind": "ClusterRole"}, "must be a Role"),
        ({"metadata": {"namespace": "shop"}}, "no name"),
        ({"metadata": {"name": "new", "namespace": "other"}}, "must be one"),
        ({"rules": [{"verbs": "get"}]}, r"rules\[0\]"),
        ({"metadata": 7}, "metadata"),
    ],
)
def test_an_object_that_does_not_fit_is_told(change: Manifest, fault: str) -> None:
    question = Request(verb="create", group=GROUP, resource="roles", namespace="shop")
    with pytest.raises(BadInput, match=fault):
        decide(Rbac(located(holding(WRITE))), BOB, question, {**made("Role", "new", rules=[]), **change})


@pytest.mark.parametrize(
    "change", [{"verb": "delete"}, {"subresource": "x"}, {"group": ""}, {"resource": "pods"}]
)
def test_other_requests_have_no_object_that_is_looked_into(change: dict[str, str]) -> None:
    fields = {"verb": "create", "group": GROUP, "resource": "roles", **change}
    assert not checked(Request(**fields))


@given(st.integers(0, 2**32))
def test_a_narrower_rule_is_covered_and_allows_nothing_more(seed: int) -> None:
    random = Random(seed)
    held = [Rule.parse(rule(random, paths=True)) for _ in range(4)]
    wanted = [Rule.parse(_narrower(random, one)) for one in held[:2]]
    assert not covers(held, wanted)
    for _ in range(30):
        question = request(random)
        assert _allow(held, question) >= _allow(wanted, question), question


@given(st.integers(0, 2**32))
def test_what_is_allowed_to_the_wanted_and_not_to_the_held_is_missing(seed: int) -> None:
    random = Random(seed)
    held, wanted = ([Rule.parse(rule(random, paths=True)) for _ in range(2)] for _ in range(2))
    if any(_allow(wanted, one) > _allow(held, one) for one in (request(random) for _ in range(30))):
        assert covers(held, wanted)


def _narrower(random: Random, wide: Rule) -> Manifest:
    """Return a rule with a part of what another has, `*` replaced by something, now and then of one name."""
    narrow = {
        field: random.sample(values, random.randint(1, len(values)))
        for field, values in wide.document.items()
    }
    for field, instead in (("verbs", "watch"), ("apiGroups", "batch"), ("resources", "jobs")):
        if field in narrow:
            narrow[field] = [instead if value == "*" else value for value in narrow[field]]
    if "resources" in narrow and "resourceNames" not in narrow and random.random() < 0.5:
        narrow["resourceNames"] = ["db"]
    return narrow


def _allow(rules: list[Rule], question: Request) -> bool:
    named = located(holding(*(dict(one.document) for one in rules)))
    return Rbac(named).decide(BOB, question).allowed
