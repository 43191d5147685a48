"""What `firebreak policy` says of a policy: mistakes, what would change, and whether it judges as expected."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from signals.policy import parse
from workers.cli import Exit, main

SHELL = "Redirect STDOUT/STDIN to Network Connection in Container"
TERMINAL = "Terminal shell in container"


def written(folder: Path, name: str, document: Any) -> str:
    """Write a file, a text as it is and anything else as YAML; return its path."""
    path = folder / name
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return str(path)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run one command with `-o json`; return its exit code and what it printed."""
    code = main(["policy", *arguments, "-o", "json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else told.err


def test_a_policy_without_mistakes_has_a_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "policy.yaml", {"rules": {TERMINAL: {"ignore": True}}})
    code, told = asked(capsys, "lint", path, "--strict")
    assert (code, told["warnings"]) == (Exit.DONE, [])
    assert told["digest"] == parse(Path(path).read_text()).digest


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("alone: []\nalone: [reverse_shell]\n", "line 2: 'alone' stands in line 1 already"),
        ("rules: {Terminal shell in contaner: {ignore: true}}", f"did you mean {TERMINAL!r}?"),
        ("alone: [reverse_shel]", "did you mean 'reverse_shell'?"),
        ("rules: {Our own rule 7: {confidence: 0.7}}", "right only if it is a rule of your own"),
        (f"rules: {{{TERMINAL}: {{ignore: true, confidence: 0.7}}}}", "say nothing"),
        (f"rules: {{{TERMINAL}: {{ignore: true}}}}\nalone: [{TERMINAL}]", "is ignored under `rules`"),
        ("protected: [{reason: all}]", "nothing is ever written without a person"),
        ("control_plane_namespaces: [monitoring*]", "may be isolated without a person"),
        ("control_plane_namespaces: [kube-system]", "of the default are missing"),
        ("isolate_ttl_seconds: 600", "an isolation ends before a blocked flow"),
        ("approval_seconds: 14400", "may outlive its reason"),
        ("thresholds: {restrict: 0.9, isolate: 0.97, escalate: 0.99}", "one agent alone never gets there"),
    ],
)
def test_what_parses_and_is_a_mistake_all_the_same_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, warning: str
) -> None:
    path = written(tmp_path, "policy.yaml", text)
    code, told = asked(capsys, "lint", path)
    assert code == Exit.DONE
    assert [one for one in told["warnings"] if warning in one], told
    assert asked(capsys, "lint", path, "--strict")[0] == Exit.FAILED


def test_a_policy_that_does_not_parse_is_wrong_use_and_names_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(capsys, "lint", written(tmp_path, "policy.yaml", "thresholds: {restrct: 0.5}"))
    assert code == Exit.WRONG_USE
    assert "thresholds.restrct: there is no such field" in told


def test_two_policies_differ_by_field_and_by_what_alerts_come_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = written(tmp_path, "old.yaml", {})
    new = written(tmp_path, "new.yaml", {"rules": {SHELL: {"ignore": True}}, "extensions": 1})
    code, told = asked(capsys, "diff", old, new)
    assert code == Exit.DONE
    assert [change["field"] for change in told["changes"]] == ["extensions", f"rules.{SHELL}"]
    assert told["loosens"] == [f"rules.{SHELL}: ignored"]
    [effect] = told["effects"]
    assert effect["rule"] == SHELL
    assert effect["old"].startswith("Tier 3: isolate_pod")
    assert effect["new"] == "Tier 1: nothing"
    assert asked(capsys, "diff", old, old)[1] == {"changes": [], "effects": [], "loosens": []}


CASES = {
    "cases": [
        {"name": "a shell is isolated", "given": [{"rule": SHELL}], "expect": {"tier": 3, "execute": True}},
        {
            "name": "in kube-system a person decides",
            "given": [{"rule": SHELL, "pod": "kube-system/dns-0"}],
            "expect": {"tier": 4, "execute": False, "page": True},
        },
        {
            "name": "an old alert only observes",
            "given": [{"rule": SHELL, "stale_seconds": 3600}],
            "expect": {"tier": 1, "actions": []},
        },
        {
            "name": "two witnesses are more than one",
            "given": [
                {"rule": TERMINAL, "confidence": 0.7},
                {"rule": "Secrets listed", "agent": "rbac-auditor", "confidence": 0.7},
            ],
            "expect": {"tier": 3, "confidence": 0.91},
        },
    ]
}


def test_cases_that_are_judged_as_expected_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = asked(capsys, "test", written(tmp_path, "p.yaml", {}), written(tmp_path, "c.yaml", CASES))
    assert [verdict["differences"] for verdict in told] == [[], [], [], []]
    assert code == Exit.DONE


def test_a_case_that_ends_otherwise_fails_and_says_what_came_instead_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = written(tmp_path, "p.yaml", {"thresholds": {"isolate": 0.92}})
    code, told = asked(capsys, "test", policy, written(tmp_path, "c.yaml", CASES))
    assert code == Exit.FAILED
    first = told[0]
    assert (first["passed"], first["differences"]) == (False, ["tier: expected 3, got 2"])
    assert "isolate from 0.92" in json.dumps(first["terms"])


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        ("cases: []", "cases: "),
        ("{", "is not YAML"),
        ({"cases": [{"name": "n", "given": [{"rule": SHELL}], "expect": {}}]}, "expect something"),
        (
            {"cases": [{"name": "n", "given": [{"rule": SHELL, "pod": "x"}], "expect": {"tier": 1}}]},
            "namespace/name",
        ),
        ({"cases": [{"name": "n", "given": [{"rul": SHELL}], "expect": {"tier": 1}}]}, "given.0.rul"),
    ],
)
def test_cases_that_say_nothing_or_nonsense_are_refused_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: Any, reason: str
) -> None:
    code, told = asked(capsys, "test", written(tmp_path, "p.yaml", {}), written(tmp_path, "c.yaml", cases))
    assert code == Exit.WRONG_USE
    assert reason in told


@pytest.mark.parametrize("arguments", [("lint", "a", "b"), ("diff", "a"), ("test", "a")])
def test_too_many_or_too_few_files_are_wrong_use(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, told = asked(capsys, *arguments)
    assert code == Exit.WRONG_USE
    assert "Say `firebreak policy" in told
