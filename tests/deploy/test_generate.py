"""The files for people: written once, compared ever after."""

from pathlib import Path

import pytest
import yaml

import deploy
from deploy import generate


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate, "HERE", tmp_path / "deploy")
    assert generate.main([]) == 0
    return tmp_path / "deploy"


def test_what_was_generated_is_as_it_would_be_generated(folder: Path) -> None:
    assert generate.main(["--check"]) == 0


def test_a_file_that_was_changed_by_hand_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = folder / "manifests" / "4-rbac.yaml"
    changed.write_text(changed.read_text() + "# mine\n")

    assert generate.main(["--check"]) == 1
    assert "deploy/manifests/4-rbac.yaml is not as generated" in capsys.readouterr().err
    assert changed.read_text().endswith("# mine\n")


def test_a_file_that_nobody_generates_is_named_and_then_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stray = folder / "manifests" / "9-old.yaml"
    stray.write_text("")

    assert generate.main(["--check"]) == 1
    assert "9-old.yaml" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert not stray.exists()


def test_the_files_hold_every_manifest_in_the_order_to_apply(folder: Path) -> None:
    files = sorted((folder / "manifests").glob("*.yaml"))
    written = [one for file in files for one in yaml.safe_load_all(file.read_text())]

    assert written == deploy.manifests()
