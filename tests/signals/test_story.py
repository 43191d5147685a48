"""What Temporal's UI shows of an incident is a story, and obeys nothing that an attacker wrote."""

import html
import re
import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from signals import story
from signals.display import markdown, terminal
from signals.incidents import IncidentState
from signals.receipts import ActionState
from tests.nats_server import free_port
from tests.signals.attacks import ATTACKS, MARKDOWN_ATTACKS
from tests.workers.cli import sample

Render = Callable[[str], str]
"""Markdown as Temporal's UI shows it, as HTML."""

CURLED = str.maketrans("“”‘’", "\"\"''")
"""The UI typesets quotes; two apostrophes may become one quote."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def render() -> AsyncIterator[Render]:
    """Yield the renderer of a real Temporal UI."""
    beside = Path(sys.executable).parent / "temporal"
    binary = str(beside) if beside.exists() else shutil.which("temporal")
    port = free_port()

    def rendered(source: str) -> str:
        url = f"http://127.0.0.1:{port}/render?theme=light&content={urllib.parse.quote(source)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = re.search(r"<main>(.*)</main>", answer.read().decode(), re.DOTALL)
        assert found is not None
        return found[1].strip()

    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary, ui=True, ui_port=port, dev_server_log_level="error"
    ):
        yield rendered


def plain(text: str) -> str:
    """Return what must be seen of a text: one line, its quotes straight, addresses whole again."""
    return " ".join(text.translate(CURLED).replace("[", "").replace("]", "").split())


@pytest.mark.stack
@pytest.mark.parametrize("attack", [*ATTACKS.values(), *MARKDOWN_ATTACKS.values()])
def test_temporals_ui_shows_an_attack_as_the_characters_that_it_is(attack: str, render: Render) -> None:
    page = render(markdown(attack)).removeprefix("<p>").removesuffix("</p>")
    assert "<" not in page
    assert plain(html.unescape(page)) == plain(terminal(attack))


@pytest.mark.stack
def test_temporals_ui_shows_ordinary_text_without_backslashes(render: Render) -> None:
    text = "pod/shop/web-0, 10.0.0.0/24; 1/2: 50 % of a=b? c_d *e* (c)"
    assert html.unescape(render(markdown(text))) == f"<p>{text}</p>"


@pytest.mark.stack
def test_the_details_of_an_incident_are_headings_and_lists_only(render: Render) -> None:
    page = render(story.details(sample.incident(title="![x](https://evil.example/beacon.png) <img src=x>")))
    assert set(re.findall(r"<(\w+)", page)) == {"h3", "h4", "p", "ul", "li", "strong", "code"}


def test_the_details_say_what_what_waits_what_was_done_and_what_stays_open() -> None:
    told = story.details(sample.incident())
    for said in (
        "### Shell redirected to the network in web\\-0",
        "**contained**: Everything that was decided is applied.",
        "Tier 3 (isolate) · critical · confidence 0.87 · mode auto",
        f"put everything back: `firebreak undo {sample.ID}`",
        "- isolate pod/shop/web\\-0: **unverified**, written and standing",
        "until 2026-05-05 03:16 UTC, then a person is asked",
        "- connections that are open already stay open",
        "- `03:12:00` isolated · web\\-0",
    ):
        assert said in told


def test_a_question_is_told_with_who_may_answer_until_when_and_how() -> None:
    asked = sample.incident(IncidentState.AWAITING_APPROVAL, ActionState.STAGED, sample.waiting(("lead",)))
    told = story.details(asked)
    assert "**lead: approve the plan**, until 2026-05-04 03:27:00 UTC. Silence means no." in told
    assert f"`firebreak approve {sample.ID} --person lead`" in told
    assert "firebreak undo" not in told


def test_a_question_of_a_group_names_the_one_answer_to_all_of_it() -> None:
    waits = sample.waiting().model_copy(update={"group": "breaker/shop/2026-05-04T03"})
    told = story.details(sample.incident(IncidentState.AWAITING_APPROVAL, ActionState.STAGED, waits))
    assert f"`firebreak approve --group {waits.group}`" in told


def test_a_closed_incident_asks_nothing() -> None:
    told = story.details(sample.incident(IncidentState.CLOSED, ActionState.REVERTED))
    assert "Nothing. It is over." in told
    assert "What stays open" not in told
