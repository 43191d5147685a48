"""Writes the reference from the code itself, so that it cannot say anything else; `--check` only compares."""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from types import MappingProxyType

import activities.actions
import activities.notifiers
import activities.policies
import activities.probes
import signals.detectors.rbac
import signals.detectors.runtime
from activities.action import Action
from activities.judgement import Judgement
from activities.metrics import DESCRIPTIONS, Stage
from activities.notifier import Notifier
from activities.probe import Probe
from docs import commands, documents, policy, slack, steps, wire
from docs.rendering import documented, fields, page, permissions, table
from signals.approvals import Verb as Spoken
from signals.approvals import Via
from signals.audit_detector import AuditDetector
from signals.catalog import load
from signals.decisions import Inverse, OnExpiry, Tier
from signals.detector import Detector
from signals.incidents import IncidentState, Relation
from signals.pages import PageKind
from signals.people import Role
from signals.policy import Tier4
from signals.receipts import ActionState, Result
from signals.threats import Mode, Severity
from workers.settings import PREFIX, Settings

REFERENCE = Path(__file__).parent / "reference"
CLOSED: Mapping[type[Enum], str] = MappingProxyType(
    {
        IncidentState: "State of an incident",
        ActionState: "State of an action",
        Tier: "Tier",
        Mode: "Mode of a namespace",
        Severity: "Severity",
        Spoken: "What a person can say",
        Via: "Where a person spoke",
        Role: "Capacity in which a person decides",
        OnExpiry: "What happens when an action's time is up",
        Inverse: "How well an action can be undone",
        Result: "Result of one verification",
        PageKind: "Kind of page",
        Relation: "Relation in the evidence graph",
        Tier4: "What Tier 4 does with a reversible hold",
    }
)


def settings() -> str:
    """Return the page of settings."""
    rows = ((f"`{PREFIX}{name.upper()}`", default, told) for name, default, told in fields(Settings))
    intro = (
        "Agents read these variables of their environment once, when they start. An unknown one is an error."
    )
    return page("Settings", intro, table(("Variable", "Default", "Meaning"), rows))


def probes() -> str:
    """Return the page of probes."""
    rows = (
        (f"`{probe.name}`", probe.question, ", ".join(probe.about), permissions(probe.permissions))
        for probe in load(activities.probes, Probe).values()
    )
    intro = "An investigation asks these questions, all at once, and can change nothing."
    return page("Probes", intro, table(("Probe", "Question", "About", "Rights"), rows))


def detectors() -> str:
    """Return the page of detectors."""
    rows = (
        (
            f"`{one.name}`",
            "<br>".join(f"`{rule}`" for rule in one.rules),
            one.technique or "",
            one.severity.value,
            "unknown" if one.confidence is None else one.confidence,
            one.because,
        )
        for one in load(signals.detectors.runtime, Detector).values()
    )
    heads = ("Detector", "Raised by", "Technique", "Severity", "Confidence", "Because")
    intro = (
        "Each of Falco's alerts raises exactly one of the Runtime Guardian's suspicions; `*` stands for all names "
        "that begin so. A request to the API server raises none of the RBAC Auditor's, or several; where the "
        "confidence is graded by who asked, the highest is shown."
    )
    requests = (
        (
            f"`{one.name}`",
            ", ".join(f"`{resource}`" for resource in one.resources),
            one.technique or "",
            one.severity.value,
            max(one.graded(event).confidence or 0 for event in one.fires_on),
            one.because,
        )
        for one in load(signals.detectors.rbac, AuditDetector).values()
    )
    body = f"## Runtime Guardian\n\n{table(heads, rows)}\n\n## RBAC Auditor\n\n"
    return page("Detectors", intro, body + table(("Detector", "Requests about", *heads[2:]), requests))


def actions() -> str:
    """Return the page of actions."""
    rows = (
        (
            f"`{action.name}`",
            action.summary,
            int(action.tier),
            action.inverse.value,
            action.on_expiry.value,
            permissions((*action.permissions, *action.surroundings)),
        )
        for action in load(activities.actions, Action).values()
    )
    heads = ("Action", "What it does", "From tier", "Undo", "On expiry", "Rights")
    return page("Actions", "Every change that Firebreak makes to a cluster.", table(heads, rows))


def judgements() -> str:
    """Return the page of judgements."""
    found = sorted(load(activities.policies, Judgement).values(), key=lambda one: one.order)
    rows = ((one.order, f"`{one.name}`", one.question) for one in found)
    intro = (
        "A decision is made by these, one after another. `firebreak explain` shows what each of them said."
    )
    return page("Judgements", intro, table(("Order", "Judgement", "Question"), rows))


def notifiers() -> str:
    """Return the page of notifiers."""
    rows = (
        (
            f"`{one.name}`",
            one.reaches,
            _settings(one.needs) or "nothing",
            _settings(one.uses),
            str(one.options or "everything"),
        )
        for one in load(activities.notifiers, Notifier).values()
    )
    intro = (
        "A notifier is on when every setting that it needs is given. What it is told is a default: "
        "[`channels` of the policy](policy.md) says something else. Slack is more than a notifier: it answers;"
        " see [how to connect it](../how-to/connect-slack.md)."
    )
    return page("Notifiers", intro, table(("Notifier", "Reaches", "Needs", "Uses", "Is told"), rows))


def _settings(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{PREFIX}{name.upper()}`" for name in names)


def states() -> str:
    """Return the page of closed lists."""
    parts: list[str] = []
    for kind, title in CLOSED.items():
        told = documented(kind)
        meanings = (
            (f"`{one.value}`", told.get(one.name) or one.name.replace("_", " ").lower()) for one in kind
        )
        parts += [f"## {title}", str(kind.__doc__), table(("Value", "Meaning"), meanings)]
    intro = "These lists are closed and stable: `-o json`, search attributes and metrics say nothing else."
    return page("Closed lists", intro, *parts)


def metrics() -> str:
    """Return the page of metrics."""
    told = documented(Stage)
    stages = ((f"`{one.value}`", told.get(one.name) or one.name.replace("_", " ").lower()) for one in Stage)
    intro = "Each agent serves these on the loopback at `FIREBREAK_METRICS_PORT`; counters end in `_total`."
    names = table(("Metric", "Meaning"), ((f"`{name}`", text) for name, text in DESCRIPTIONS.items()))
    return page("Metrics", intro, names, "## Stages", table(("Stage", "From → to"), stages))


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "actions.md": actions,
        "commands.md": commands.pages,
        "detectors.md": detectors,
        "json.md": documents.pages,
        "judgements.md": judgements,
        "metrics.md": metrics,
        "notifiers.md": notifiers,
        "policy.md": policy.pages,
        "policy.schema.json": policy.schema,
        "probes.md": probes,
        "settings.md": settings,
        "slack-app.yaml": slack.manifest,
        "states.md": states,
        "steps.md": steps.pages,
        "wire.md": wire.pages,
        **{f"schemas/{name}.schema.json": partial(documents.schema, name) for name in documents.DOCUMENTS},
    }
)


def main(arguments: Sequence[str]) -> int:
    """Write all pages, or with `--check` name those that differ; return the exit code."""
    check = list(arguments) == ["--check"]
    differing = [name for name, made in PAGES.items() if _text(REFERENCE / name) != made()]
    for name in differing:
        if check:
            sys.stderr.write(f"docs/reference/{name} is not what the code says: run `make fix`\n")
        else:
            (REFERENCE / name).parent.mkdir(exist_ok=True)
            (REFERENCE / name).write_text(PAGES[name]())
    return 1 if check and differing else 0


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
