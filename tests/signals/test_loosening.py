"""What lets Firebreak do more is told; what only tightens is not."""

from typing import Any

import pytest

from signals.loosening import loosened
from signals.policy import Policy

PROTECTED = {"protected": [{"namespace": "shop", "name": "db-*"}]}
ALICE = {"name": "alice", "kubernetes": ["alice@example.com"]}
SLACK = {"team": "T0123ABCD", "user": "U0123ABCD"}
LOOSER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("thresholds.isolate", {}, {"thresholds": {"isolate": 0.7}}),
    ("thresholds.escalate", {}, {"thresholds": {"escalate": 0.99}}),
    ("protected", PROTECTED, {}),
    ("control_plane_namespaces", {}, {"control_plane_namespaces": ["kube-system"]}),
    ("alone", {"alone": []}, {"alone": ["reverse_shell"]}),
    ("isolate_steps", {"isolate_steps": []}, {"isolate_steps": ["evict_pod"]}),
    ("tier4", {}, {"tier4": "hold"}),
    ("breaker.owners_percent", {}, {"breaker": {"owners_percent": 50}}),
    ("caps.per_cluster", {}, {"caps": {"per_cluster": 99}}),
    ("on_expiry.isolate", {}, {"on_expiry": {"isolate": "release"}}),
    ("after_extensions", {}, {"after_extensions": "release"}),
    ("isolate_ttl_seconds", {}, {"isolate_ttl_seconds": 999_999}),
    ("approval_seconds", {}, {"approval_seconds": 9999}),
    ("false_alarm_seconds", {}, {"false_alarm_seconds": 0}),
    ("authority.rules", {}, {"authority": {"rules": []}}),
    ("authority.irreversible", {}, {"authority": {"irreversible": []}}),
    ("authority.login_seconds", {}, {"authority": {"login_seconds": 3600}}),
    ("people: now bob", {"people": [ALICE]}, {"people": [ALICE, {"name": "bob"}]}),
    ("people: nobody", {"people": [ALICE]}, {}),
    ("people: alice now has slack", {"people": [ALICE]}, {"people": [{**ALICE, "slack": [SLACK]}]}),
    (
        "people: alice now has roles",
        {"people": [ALICE]},
        {"people": [{**ALICE, "roles": ["oncall", "lead"]}]},
    ),
    ("people: alice no longer", {"people": [{**ALICE, "answers_for": ["ci-*"]}]}, {"people": [ALICE]}),
    ("rules.X", {}, {"rules": {"X": {"confidence": 0.9}}}),
    ("rules.X", {"rules": {"X": {"confidence": 0.3}}}, {}),
    ("rules.X", {}, {"rules": {"X": {"ignore": True}}}),
    ("rules.X", {"rules": {"X": {"ignore": True}}}, {}),
]


@pytest.mark.parametrize(("field", "old", "new"), LOOSER)
def test_what_lets_firebreak_do_more_is_named(field: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    told = loosened(Policy.model_validate(old), Policy.model_validate(new))
    assert len([line for line in told if line.startswith(field)]) >= 1, told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({}, PROTECTED),
        ({}, {"thresholds": {"isolate": 0.9}}),
        ({}, {"caps": {"per_cluster": 1}, "breaker": {"floor": 1}, "alone": [], "isolate_steps": []}),
        ({"tier4": "hold"}, {}),
        ({"rules": {"X": {"confidence": 0.9}}}, {"rules": {"X": {"confidence": 0.2}}}),
        ({}, {"quiet_seconds": 60}),
        ({"people": [ALICE, {"name": "bob"}]}, {"people": [ALICE]}),
        ({"people": [ALICE]}, {"people": [{**ALICE, "answers_for": ["system:serviceaccount:ci:*"]}]}),
    ],
)
def test_what_only_tightens_needs_nobody(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert loosened(Policy.model_validate(old), Policy.model_validate(new)) == ()


def test_every_field_of_a_policy_is_looked_at_or_known_to_let_nothing_more_be_done() -> None:
    harmless = {"version", "channels", "quiet_seconds", "expiry_lead_seconds", "owner_channels"}
    looked_at = {field.split(":")[0].split(".")[0] for field, _, _ in LOOSER} | {
        "restrict_ttl_seconds",
        "extensions",
        "stale_seconds",
        "freeze_windows",
    }
    assert set(Policy.model_fields) == looked_at | harmless
