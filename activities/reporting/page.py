"""Renders a report as one self-contained page.

The page forbids itself everything but its own style: no script runs, nothing is loaded, no form is sent. Text from
attackers is made harmless twice: `signals.display` takes what an eye would obey, the template escapes the rest.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from activities.reporting.drawing import picture
from signals.display import terminal
from signals.report import InvestigationReport
from signals.words import ACTIONS, EXPIRIES, QUESTIONS, STATES, TIERS

LONGEST = 2_000
"""Characters shown of one text."""
MOST_EVENTS = 50
"""Suspicions shown one by one; the JSON beside the page has all that the incident kept."""


@cache
def _source(name: str) -> str:
    return files("activities.reporting").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.globals |= {
        "ACTIONS": ACTIONS,
        "EXPIRIES": EXPIRIES,
        "QUESTIONS": QUESTIONS,
        "STATES": STATES,
        "TIERS": TIERS,
    }
    return environment


def _harmless(value: object) -> object:
    """Return what may be shown of a value: whatever is no markup of ours goes through `signals.display`."""
    return value if isinstance(value, Markup) else terminal(str(value), LONGEST)


def render(report: InvestigationReport) -> str:
    """Return the report as HTML; it names the hash of its JSON, as `document` writes it."""
    style = _source("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    incident = report.incident
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            incident=incident,
            summary=incident.summary,
            events=incident.events[:MOST_EVENTS],
            left_out=max(0, len(incident.events) - MOST_EVENTS),
            decision=_decisive(report),
            picture=Markup(picture(incident)),  # noqa: S704 - made of escaped text, see `drawing`
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=digest,
            sha256=hashlib.sha256(document(report).encode()).hexdigest(),
        )
    )


def document(report: InvestigationReport) -> str:
    """Return the report as JSON, in ASCII: nothing in it can steer a terminal."""
    return report.model_dump_json(indent=2, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def _decisive(report: InvestigationReport) -> object:
    """Return the judgement that reached the incident's tier first, else the latest, else none."""
    decisions = report.incident.decisions
    reached = (decision for decision in decisions if decision.tier == report.incident.summary.tier)
    return next(reached, decisions[-1] if decisions else None)
