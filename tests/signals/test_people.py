"""One person has one name, whatever account they speak with."""

import pytest

from signals.errors import PolicyInvalid
from signals.people import OidcAccount, People, Person, SlackAccount
from signals.policy import parse

ALICE = Person(
    name="alice",
    kubernetes=("alice@example.com", "kubernetes-admin"),
    slack=(SlackAccount(team="T0123ABCD", user="U0123ABCD"),),
    oidc=(OidcAccount(issuer="https://id.example.com", subject="42"),),
    answers_for=("system:serviceaccount:ci:*",),
)
BOB = Person(name="bob", oidc=(OidcAccount(issuer="https://id.example.com", email="bob@example.com"),))
PEOPLE = People((ALICE, BOB))


def test_every_account_leads_to_its_person() -> None:
    found = (
        PEOPLE.of_kubernetes("kubernetes-admin"),
        PEOPLE.of_slack("T0123ABCD", "U0123ABCD"),
        PEOPLE.of_oidc("https://id.example.com", "42"),
        PEOPLE.of_command("alice", "slack"),
        PEOPLE.of_command("alice@example.com", ""),
    )
    assert found == (ALICE,) * 5


def test_an_account_elsewhere_of_the_same_id_is_nobodys() -> None:
    assert PEOPLE.of_slack("T9999ZZZZ", "U0123ABCD") is None
    assert PEOPLE.of_oidc("https://other.example.com", "42") is None
    assert PEOPLE.of_command("alice", "") is None, "a user of the API server may be called what a person is"
    assert PEOPLE.of_command("alice@example.com", "slack") is None


def test_an_address_counts_only_where_it_is_verified_and_no_subject_is_named() -> None:
    assert PEOPLE.of_oidc("https://id.example.com", "7", "Bob@example.com") == BOB
    assert PEOPLE.of_oidc("https://id.example.com", "7") is None
    assert PEOPLE.of_oidc("https://id.example.com", "", "") is None


def test_two_accounts_of_one_person_count_as_one() -> None:
    counted = {PEOPLE.counted_as(one) for one in ("alice", "alice@example.com", "kubernetes-admin", "carol")}
    assert counted == {"alice", "carol"}


def test_a_machine_that_acts_for_somebody_is_theirs() -> None:
    assert ALICE.owns("system:serviceaccount:ci:deploy")
    assert not ALICE.owns("system:serviceaccount:shop:web")


@pytest.mark.parametrize(
    "text",
    [
        "people: [{name: alice}, {name: alice}]",
        "people: [{name: alice, kubernetes: [a]}, {name: bob, kubernetes: [a]}]",
        "people: [{name: alice, kubernetes: [bob]}, {name: bob}]",
        "people: [{name: a, slack: [{team: T012, user: U012}]}, {name: b, slack: [{team: T012, user: U012}]}]",
    ],
)
def test_no_name_or_account_belongs_to_two(text: str) -> None:
    with pytest.raises(PolicyInvalid, match="named twice"):
        parse(text)
