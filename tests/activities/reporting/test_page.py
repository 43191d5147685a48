"""The page of a report: all of it is there, and nothing that an attacker wrote can do anything in it."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from activities.reporting.page import document, render
from signals.entities import Entity
from signals.incidents import Edge, Incident, IncidentState, Investigation, Node, Relation
from signals.report import report
from signals.verdicts import Verdict
from tests.workers.cli.sample import CLUSTER, ID, NOW, POD, event, incident, waiting

HOSTILE = (
    "</title></style></svg><script>document.title='pwned'</script><img src=x onerror=alert(1)>"
    "\x1b[2J\u202e{{ 7*7 }} http://evil.example javascript:alert(1) \" onload='x'"
)
"""What an attacker would put into a command line, a pod's annotation or an image's name."""


def hostile() -> Incident:
    """Return an incident in which everything that an alert can carry is an attack on its reader."""
    evil = Entity(cluster=CLUSTER, kind="Image", name=HOSTILE)
    given = incident(title=HOSTILE, waits=waiting())
    seen = event(HOSTILE).model_copy(update={"title": HOSTILE, "rule": HOSTILE, "caveats": (HOSTILE,)})
    found = Investigation(
        nodes=(Node(id=POD.key, entity=POD), Node(id="evil", entity=evil)),
        edges=(Edge(source=POD.key, target="evil", type=Relation.RUNS_IMAGE),),
        findings=(HOSTILE,),
        missing=(HOSTILE,),
    )
    return given.model_copy(update={"events": (seen,), "investigation": found})


class Page(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_everything_that_is_known_stands_on_the_page() -> None:
    page = Page(render(report(incident(waits=waiting()), NOW)))
    for text in (
        "Shell redirected to the network in web-0",
        "approve the plan",
        "Can it be reached from outside the cluster?",
        "connections that are open already stay open",
        "nothing enforces policies here",
        "events: the API server forbids it",
        "a shell that speaks to the network",
        "the clock of the node is off",
        "create networkpolicies/shop/fb-1",
        "isolated",
    ):
        assert text in page.text, text


def test_the_page_names_the_hash_of_its_json() -> None:
    told = report(incident(), NOW)
    assert hashlib.sha256(document(told).encode()).hexdigest() in render(told)
    assert json.loads(document(told))["incident"]["summary"]["id"] == ID


def test_an_incident_of_which_nothing_is_known_yet_has_a_page_too() -> None:
    bare = incident(IncidentState.INVESTIGATING)
    bare = bare.model_copy(
        update={"events": (), "decisions": (), "plan": None, "receipts": (), "investigation": None}
    )
    page = Page(render(report(bare, NOW)))
    assert "Nothing was written to the cluster." in page.text
    assert "nobody has investigated yet" in page.text


def test_text_of_an_attacker_becomes_no_element_and_no_attribute() -> None:
    usual, attacked = (Page(render(report(one, NOW))) for one in (incident(waits=waiting()), hostile()))
    allowed = {tag for tag, _ in usual.elements} | {"svg", "g", "rect", "text", "path", "title"}
    assert {tag for tag, _ in attacked.elements} <= allowed
    assert not {"script", "img", "a", "iframe", "form", "link"} & {tag for tag, _ in attacked.elements}
    names = {name for _, attributes in attacked.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | {"style", "href", "src"} & names
    assert not {"\x1b", "\u202e"} & set(attacked.text)
    assert "{{ 7*7 }}" in attacked.text


def test_the_page_forbids_itself_everything_but_its_own_style() -> None:
    text = render(report(hostile(), NOW))
    page = Page(text)
    [said] = [given for tag, given in page.elements if given.get("http-equiv") == "Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = hashlib.sha256(style[1].encode()).digest()
    hashed = f"'sha256-{base64.b64encode(digest).decode()}'"
    assert said["content"] == f"default-src 'none'; style-src {hashed}; base-uri 'none'; form-action 'none'"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium here")
def test_a_browser_shows_a_hostile_page_as_text_and_with_its_style(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(report(hostile(), NOW)), encoding="utf-8")
    dom = browse(tmp_path, "--dump-dom", path.as_uri())
    page = Page(dom)
    assert f"<title>{ID}: Firebreak report</title>" in dom
    assert "script" not in {tag for tag, _ in page.elements}
    assert "document.title='pwned'" in page.text


def browse(folder: Path, *arguments: Any) -> str:
    """Return what a headless browser prints; its profile goes with the test."""
    command = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/p")
    return subprocess.run(
        [*command, *arguments],
        capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip


def test_what_it_was_and_what_was_expected_stand_on_the_page() -> None:
    known = incident(state=IncidentState.CLOSED)
    said = {"verdict": Verdict.BENIGN, "exceptions": ("exc-0f9c2d1e",)}
    page = Page(
        render(report(known.model_copy(update={"summary": known.summary.model_copy(update=said)}), NOW))
    )
    assert "in hindsight: benign" in page.text
    assert "nothing is done about it: exc-0f9c2d1e" in page.text
