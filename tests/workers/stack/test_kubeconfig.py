"""Kubeconfig files."""

from pathlib import Path

import pytest
import yaml

from signals.errors import BadInput
from workers.stack.kubeconfig import by_token, cluster_of, one_context

SOURCE = {
    "clusters": [
        {"name": "prod", "cluster": {"server": "https://prod", "certificate-authority": "ca.crt"}},
        {"name": "test", "cluster": {"server": "https://test"}},
    ],
    "users": [
        {"name": "me", "user": {"client-key": "/keys/me.key", "exec": {"command": "login"}}},
        {"name": "you", "user": {"token": "t"}},
    ],
    "contexts": [
        {"name": "prod", "context": {"cluster": "prod", "user": "me"}},
        {"name": "test", "context": {"cluster": "test", "user": "you"}},
    ],
    "current-context": "prod",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(SOURCE))
    return file


def test_one_context_of_many_is_taken_and_no_other_stays(source: Path, tmp_path: Path) -> None:
    one_context(source, "test", tmp_path / "one.yaml")
    document = yaml.safe_load((tmp_path / "one.yaml").read_text())
    assert [entry["cluster"] for entry in document["clusters"]] == [{"server": "https://test"}]
    assert [entry["user"] for entry in document["users"]] == [{"token": "t"}]
    assert (tmp_path / "one.yaml").stat().st_mode & 0o777 == 0o600


def test_paths_in_a_kubeconfig_still_mean_the_same_files(source: Path, tmp_path: Path) -> None:
    one_context(source, "prod", tmp_path / "one.yaml")
    document = yaml.safe_load((tmp_path / "one.yaml").read_text())
    assert cluster_of(tmp_path / "one.yaml")["certificate-authority"] == str(tmp_path / "ca.crt")
    assert document["users"][0]["user"] == {"client-key": "/keys/me.key", "exec": {"command": "login"}}


def test_a_context_that_is_not_there_is_answered_with_those_that_are(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no 'staging' among its contexts; it has: prod, test"):
        one_context(source, "staging", tmp_path / "one.yaml")


def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        one_context(tmp_path / "missing", "prod", tmp_path / "one.yaml")


def test_an_agent_speaks_to_the_same_cluster_with_its_own_token(source: Path, tmp_path: Path) -> None:
    one_context(source, "test", tmp_path / "admin.yaml")
    by_token(tmp_path / "agent.yaml", cluster=cluster_of(tmp_path / "admin.yaml"), token="its-own")
    document = yaml.safe_load((tmp_path / "agent.yaml").read_text())
    assert document["users"][0]["user"] == {"token": "its-own"}
    assert cluster_of(tmp_path / "agent.yaml") == {"server": "https://test"}
