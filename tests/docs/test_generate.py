"""The reference says what the code says."""

from enum import Enum
from pathlib import Path

import pytest

import docs.generate
from docs.generate import CLOSED, PAGES, main
from docs.rendering import documented, fields, table
from signals.receipts import ActionState
from workers.settings import Settings

ROOT = Path(docs.generate.__file__).parent.parent


def test_check_names_what_differs_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs.generate, "REFERENCE", tmp_path)
    assert main(["--check"]) == 1
    assert "docs/reference/settings.md is not what the code says" in capsys.readouterr().err
    assert main([]) == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == set(PAGES)
    assert main(["--check"]) == 0
    (tmp_path / "states.md").write_text("something else")
    assert main(["--check"]) == 1


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, _, meaning in fields(Settings) if not meaning] == []


def test_text_below_a_member_is_its_meaning() -> None:
    assert documented(ActionState)["REVERTED"] == "Put back as it was."


def test_a_cell_cannot_leave_its_table() -> None:
    assert table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"


@pytest.mark.parametrize("kind", CLOSED, ids=lambda kind: kind.__name__)
def test_every_value_of_a_closed_list_is_in_the_reference(kind: type[Enum]) -> None:
    page = PAGES["states.md"]()
    assert all(f"| `{one.value}` |" in page for one in kind)


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    pages = (ROOT / "docs").rglob("*.md")
    assert [path for path in pages if str(path.relative_to(ROOT / "docs")) not in contents] == []
