"""The three questions of reach, asked of a moment in a context store's file: nothing else runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.activities.graph.past_files import MINUTE, remember
from tests.activities.graph.reach_worlds import allowing, pod, rule, thing
from workers import cli
from workers.remembering import now

SEALED = thing(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    "sealed",
    "shop",
    spec={"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]},
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """From 40 to 20 minutes ago web's account could read secrets; since 20 minutes ago nobody may talk to db."""
    at = now()
    reader, binding = allowing("sa/shop/web", rule("get", "secrets"))
    keys = pod("db", volumes=[{"name": "v", "secret": {"secretName": "keys"}}])
    there = (thing("v1", "Namespace", "shop"), pod("web", serviceAccountName="web"), keys, reader)
    changes = [
        *((at - 50 * MINUTE, "ADDED", one) for one in there),
        (at - 40 * MINUTE, "ADDED", binding),
        (at - 20 * MINUTE, "DELETED", binding),
        (at - 20 * MINUTE, "ADDED", SEALED),
    ]
    return remember(tmp_path / "versions.db", changes, since=at - 60 * MINUTE, alive=at)


def ask(capsys: pytest.CaptureFixture[str], store: Path, *arguments: str) -> tuple[int, Any]:
    code = cli.main([*arguments, "--store", str(store), "-o", "json"])
    said = capsys.readouterr()
    assert "Not certain" not in said.err
    return code, json.loads(said.out)


@pytest.mark.parametrize(("at", "reached"), [("-45m", False), ("-30m", True), ("10m ago", False)])
def test_reach_answers_for_the_moment(
    capsys: pytest.CaptureFixture[str], store: Path, at: str, *, reached: bool
) -> None:
    _, answer = ask(capsys, store, "reach", "--from", "pod/shop/web", "--at", at)
    found = {one["entity"]: one for one in answer["reached"]}
    assert ("secret/shop/keys" in found) is reached
    assert answer["at"] is not None
    if reached:
        last = found["secret/shop/keys"]["path"][-1]
        assert (last["edge"], last["granted_by"]["object"]) == ("SECRET_READ", "RoleBinding/shop/r")


@pytest.mark.parametrize(("at", "code"), [("-45m", 1), ("-30m", 0), ("10m ago", 1)])
def test_can_answers_for_the_moment(
    capsys: pytest.CaptureFixture[str], store: Path, at: str, code: int
) -> None:
    asked = ("--as", "system:serviceaccount:shop:web", "get", "secrets", "-n", "shop", "--at", at)
    said, answer = ask(capsys, store, "can", *asked)
    assert (said, answer["allowed"]) == (code, code == 0)


@pytest.mark.parametrize(("at", "allowed"), [("-30m", True), ("10m ago", False)])
def test_connections_answers_for_the_moment(
    capsys: pytest.CaptureFixture[str], store: Path, at: str, *, allowed: bool
) -> None:
    _, answer = ask(capsys, store, "connections", "--from", "shop/web", "--at", at)
    assert ("shop/db[Pod]" in {one["dst"] for one in answer}) is allowed
