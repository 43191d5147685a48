"""Who may decide, and whether they are enough: each refusal, by rules that are data."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals.approvals import Approval, Verb, Voice
from signals.authority import Matter
from signals.entities import ClusterRef
from signals.errors import Refused
from signals.policy import Policy
from signals.voices import check, persons

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
CLUSTER = ClusterRef(name="test", uid="test-cluster")
POD = Matter(tier=3, namespaces=("shop",), actions=("isolate_pod",))
EVICTS = Matter(tier=3, namespaces=("shop",), actions=("evict_pod", "isolate_pod"))
PEOPLE = [
    {
        "name": "alice",
        "kubernetes": ["alice@example.com", "admin"],
        "answers_for": ["system:serviceaccount:ci:*"],
    },
    {"name": "bob", "kubernetes": ["bob@example.com"]},
    {"name": "lena", "kubernetes": ["lena@example.com"], "roles": ["lead"]},
]


def policy(**authority: Any) -> Policy:
    return Policy.model_validate({"people": PEOPLE, **({"authority": authority} if authority else {})})


def voice(actor: str, **given: Any) -> Voice:
    return Voice(command=f"c-{actor}", actor=actor, said_at=NOW, **given)


def said(actor: str, verb: Verb = Verb.APPROVE, *seconded: Voice, **given: Any) -> Approval:
    fields = {"id": f"c-{actor}", "cluster": CLUSTER, "verb": verb, "actor": actor, "said_at": NOW}
    return Approval(**{**fields, "seconded": seconded, **given})


def refusal(rules: Policy, approval: Approval, matter: Matter = POD, verb: Verb | None = None) -> str:
    """Return why it does not count, or nothing."""
    try:
        check(rules, approval, verb or approval.verb, matter)
    except Refused as error:
        return str(error)
    return ""


LEADS_IN_SHOP = {"rules": [{"verbs": ["approve"], "namespaces": ["shop*"], "roles": ["lead"]}]}
TWO = {"rules": [{"verbs": ["approve"], "people": 2}]}
GROUP = {"rules": [{"groups": ["S0123ABCD"]}]}


def test_who_may_say_it_may() -> None:
    assert not refusal(policy(), said("bob@example.com"))
    assert not refusal(Policy(), said("anybody")), "where the policy names nobody, RBAC has said so"


@pytest.mark.parametrize(
    ("rules", "approval", "matter", "why"),
    [
        (policy(**LEADS_IN_SHOP), said("bob@example.com"), POD, "needs lead, and you spoke as oncall"),
        (policy(), said("bob@example.com", role="lead"), POD, "not lead by policy"),
        (policy(), said("mallory@example.com"), POD, "none with the account"),
        (policy(), said("mallory", via="slack"), POD, "names nobody 'mallory'"),
        (policy(), said("bob@example.com", via="slack"), POD, "names nobody"),
        (Policy(), said("anybody", via="slack"), POD, "names nobody"),
        (policy(**GROUP), said("bob", via="slack", groups=("S9999ZZZZ",)), POD, "a member of S0123ABCD"),
        (policy(**GROUP), said("bob", via="slack"), POD, "a member of S0123ABCD"),
        (policy(**GROUP), said("bob", via="page", groups=()), POD, "a member of S0123ABCD"),
        (policy(), said("bob", via="slack"), EVICTS, "not approved in Slack alone"),
        (policy(), said("bob", via="page"), EVICTS, "log in again"),
        (
            policy(),
            said("bob", via="page", authenticated_at=NOW - timedelta(minutes=6)),
            EVICTS,
            "log in again",
        ),
        (
            policy(),
            said("bob", via="page", authenticated_at=NOW + timedelta(hours=1)),
            EVICTS,
            "log in again",
        ),
        (policy(**TWO), said("bob@example.com"), POD, "1 of 2 people"),
        (
            policy(**TWO),
            said("admin", Verb.APPROVE, voice("alice@example.com"), voice("alice", via="slack")),
            POD,
            "1 of 2 people",
        ),
        (
            policy(**TWO),
            said("bob@example.com", Verb.APPROVE, voice("mallory", via="slack")),
            POD,
            "names nobody 'mallory'",
        ),
        (policy(), said("bob@example.com", Verb.UNDO), POD, "1 of 2 people"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_may_not_reads_why(rules: Policy, approval: Approval, matter: Matter, why: str) -> None:
    assert why in refusal(rules, approval, matter)


@pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.REJECT, Verb.UNDO, Verb.STAND_DOWN, Verb.CLOSE])
@pytest.mark.parametrize(
    ("actor", "account"),
    [
        ("alice@example.com", "alice@example.com"),
        ("admin", "alice@example.com"),
        ("alice@example.com", "system:serviceaccount:ci:deploy"),
    ],
)
def test_nobody_decides_about_what_they_did_themselves(verb: Verb, actor: str, account: str) -> None:
    matter = POD.with_implicated((account,))

    assert "does not decide about that" in refusal(policy(), said(actor, verb), matter)
    assert "does not decide" not in refusal(policy(), said("bob@example.com", verb), matter)
    assert not refusal(policy(), said(actor, Verb.EXTEND), matter), "it holds what stands"


def test_a_stranger_of_whom_the_evidence_tells_is_excluded_without_any_policy() -> None:
    assert "does not decide" in refusal(Policy(), said("eve"), POD.with_implicated(("eve",)))


def test_a_rule_holds_where_it_says_and_nowhere_else() -> None:
    rules = policy(**LEADS_IN_SHOP)
    assert not refusal(rules, said("bob@example.com"), Matter(tier=3, namespaces=("bank",)))
    assert refusal(rules, said("bob@example.com"), Matter(tier=3, namespaces=("bank", "shop-eu")))
    assert not refusal(rules, said("lena@example.com", role="lead"))
    assert not refusal(rules, said("bob@example.com", Verb.EXTEND))
    tiers = policy(rules=[{"tiers": [4], "actions": ["evict_pod"], "roles": ["lead"]}])
    assert not refusal(tiers, said("bob@example.com"), EVICTS)
    assert refusal(tiers, said("bob@example.com"), Matter(tier=4, namespaces=("x",), actions=("evict_pod",)))


def test_two_people_are_two_wherever_they_spoke() -> None:
    both = said("bob", Verb.UNDO, voice("alice@example.com"), via="slack")

    assert not refusal(policy(), both)
    assert persons(policy(), both) == ("alice", "bob")


def test_what_nothing_brings_back_is_approved_after_a_fresh_login_or_under_ones_own_credentials() -> None:
    fresh = said("bob", via="page", authenticated_at=NOW - timedelta(minutes=4))

    assert not refusal(policy(), fresh, EVICTS)
    assert not refusal(policy(), said("bob@example.com"), EVICTS)
    assert not refusal(policy(), said("bob", Verb.REJECT, via="slack"), EVICTS)


def test_without_slack_it_is_roles_alone() -> None:
    assert not refusal(policy(**GROUP), said("bob@example.com"))
    assert not refusal(policy(**GROUP), said("bob", via="page"))


def test_a_stranger_can_still_say_no() -> None:
    assert not refusal(policy(), said("mallory@example.com", Verb.REJECT))
    assert refusal(policy(), said("mallory", Verb.REJECT, via="slack"))
