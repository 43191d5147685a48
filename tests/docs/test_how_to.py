"""What the pages show really runs, and what they point at is there."""

import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest

import docs.generate
from activities.notifier import Notifier
from signals.catalog import load
from signals.detector import Detector
from signals.policy import parse
from tests.activities.test_notify import desk
from workers.cli import _parser, verbs
from workers.cli.verb import Verb

DOCS = Path(docs.generate.__file__).parent
ROOT = DOCS.parent
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
PLACES = [path for path in PAGES if path.parent.name != "reference"]


def shown(page: str) -> dict[str, Any]:
    """Run the Python that a page shows; return the names it defines."""
    code = re.search(r"```python\n(.*?)```", (DOCS / "how-to" / page).read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code.group(1)), names)
    return names


def commands() -> list[str]:
    """Return every command of ours that some page shows to be typed."""
    lines = [line for path in PLACES for line in path.read_text().splitlines()]
    typed = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ firebreak ")]
    return sorted({re.split(r" \|\|? | && | 2?> ", line.partition("  #")[0])[0].strip() for line in typed})


def test_the_detector_that_is_shown_is_one() -> None:
    detector = shown("add-a-detector.md")["DETECTOR"]
    assert isinstance(detector, Detector)
    raised = {alert.rule for alert in detector.fires_on}
    assert raised == set(detector.rules)
    assert raised.isdisjoint(alert.rule for alert in detector.ignores)


def test_the_notifier_that_is_shown_is_one(tmp_path: Path) -> None:
    notifier = shown("add-a-notifier.md")["NOTIFIER"]
    assert isinstance(notifier, Notifier)
    assert notifier.connect({"pages_file": tmp_path / "aloud"}, desk("aloud")).send is not None


def test_the_policy_that_is_shown_is_one() -> None:
    page = (DOCS / "how-to" / "enrol-a-namespace.md").read_text()
    text = re.search(r"```yaml\n(# policy\.yaml.*?)```", page, re.DOTALL)
    assert text is not None
    assert parse(text[1]).rules["Terminal shell in container"].ignore


@pytest.mark.parametrize("command", commands())
def test_a_command_that_is_shown_is_one(command: str) -> None:
    known = {name.replace("_", "-"): verb for name, verb in load(verbs, Verb).items()}
    assert _parser(known).parse_args(shlex.split(command)[1:]).verb in known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_page_points_at_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []
