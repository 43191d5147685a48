"""The one message of an incident, as it is now: for a person who was just woken, top to bottom.

Pure. An incident of 500 entities and a message of Slack's have to fit: lists are cut, and say how much is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from activities.slack.blocks import (
    Block,
    Element,
    bullets,
    context,
    header,
    link,
    mention,
    moment,
    paragraph,
    section,
    text,
    theirs,
)
from activities.slack.buttons import PREFIX, irreversible, row
from activities.slack.parts import NAMED, between, plan, reach
from signals.display import literal
from signals.incidents import Incident, IncidentState, Summary, WaitingFor
from signals.people import Person, Role
from signals.words import QUESTIONS, STATES, TIERS

SEEN = 4
"""Suspicions that are told, the latest."""
SAID = 2
"""Decisions that are told, the latest."""

_NOW = {
    IncidentState.INVESTIGATING: "Being looked at",
    IncidentState.OBSERVED: "For your information",
    IncidentState.AWAITING_APPROVAL: "Needs a decision",
    IncidentState.CONTAINED: "Contained",
    IncidentState.PARTIALLY_CONTAINED: "Only partly contained",
    IncidentState.SHADOWED: "Shadow mode, nothing written",
    IncidentState.UNDONE: "Put back",
    IncidentState.CLOSED: "Over",
}
_DECIDED = ("a person said: ", "nobody answered in time", "answered")


@dataclass(frozen=True)
class Doors:
    """What a message says besides the incident: where buttons lead, and whom it is for. Empty: nowhere, nobody."""

    temporal: str = ""
    """The incident in Temporal's UI."""
    page: str = ""
    """The incident on the liaison's own page: its report, and the decision after a login."""
    irreversible: frozenset[str] = frozenset()
    """Types of action that are never approved here alone."""
    mention: str = ""
    """User group that is mentioned where somebody is needed."""
    people: tuple[Person, ...] = ()
    """Whom policy names; empty where RBAC alone says who may decide."""


@dataclass(frozen=True)
class Message:
    """One message: its blocks, and the text that a notification shows."""

    text: str
    blocks: tuple[Block, ...]

    @property
    def body(self) -> dict[str, Any]:
        """Return it as the arguments of `chat.postMessage` and `chat.update`."""
        return {"text": self.text, "blocks": list(self.blocks)}


def message(incident: Incident, doors: Doors, *, whole: bool = True) -> Message:
    """Return the message; not `whole`: only the summary is known, for no worker answers."""
    summary = incident.summary
    title = f"{_NOW[summary.state]}: {summary.title}"
    blocks = [
        header(title),
        _happened(incident),
        *plan(incident, whole=whole),
        *reach(incident),
        *_asks(incident, doors),
        *_said(incident),
        *_buttons(incident, doors, whole=whole),
        context(_small_print(incident, whole=whole)),
    ]
    return Message(text=escaped(title, 200), blocks=tuple(blocks))


def escaped(words: str, limit: int) -> str:
    """Return a text for a place where Slack reads `<`, `>` and `&`, and marks."""
    shown = literal(words, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.translate({ord(mark): "'" for mark in "*_~`"})


def _happened(incident: Incident) -> Block:
    summary = incident.summary
    sure = "unknown" if summary.confidence is None else f"{summary.confidence:.2f}"
    level = f"Tier {summary.tier} ({TIERS[summary.tier]}), {summary.severity}, confidence {sure}."
    events = sorted(incident.events, key=lambda event: event.observed_at)
    lines: list[list[Element]] = [
        [
            text(f"{event.observed_at:%H:%M:%S} UTC, {event.agent} saw in "),
            theirs(str(event.subject), 120),
            text(f"{_times(event.count)}: "),
            theirs(event.title, 200),
        ]
        for event in events[-SEEN:]
    ]
    evidence = [theirs(line.summary) for event in events[-1:] for line in event.evidence[:2]]
    if evidence:
        lines.append([text("evidence: "), *between(evidence)])
    more = len(events) - SEEN + incident.left_out
    if more > 0:
        lines.append([text(f"and {more} more before these")])
    if not lines:
        lines = [[text("about "), *between([theirs(one, 120) for one in summary.entities[:NAMED]])]]
    return section("What happened", bullets(lines), paragraph(text(f"{level} {STATES[summary.state]}")))


def _times(count: int) -> str:
    return f", {count} times" if count > 1 else ""


def _asks(incident: Incident, doors: Doors) -> Iterator[Block]:
    """Yield what a person is asked, until when, who may answer, and what silence means."""
    asked = incident.summary.waiting_for
    if asked is None:
        return
    wake = [text(" "), mention(doors.mention)] if doors.mention else []
    who = text(" or ".join(asked.roles), bold=True)
    lines: list[list[Element]] = [
        [text("Who may decide: "), who, text(_named(asked, doors.people)), *wake],
        [text("If nobody answers by "), *moment(asked.deadline), text(f": {_silence(asked.kind)}")],
    ]
    if asked.group:
        command = f"firebreak approve --group {asked.group}"
        lines.append([text("Others wait for the same limit; all at once: "), theirs(command)])
    yield section(f"You are asked to {literal(asked.kind, 80)}", bullets(lines))


def _named(asked: WaitingFor, people: Sequence[Person]) -> str:
    """Return who that is by name: a lead may say all that somebody on call may."""
    names = [one.name for one in people if one.role is Role.LEAD or {*one.roles} & {*asked.roles}]
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return f": {', '.join(names[:NAMED])}{more}" if names else ""


def _silence(kind: str) -> str:
    means = {
        "approve the plan": "nothing of this is written.",
        "release the containment": "it stands on, a limited number of times.",
    }
    return means.get(kind) or QUESTIONS.get(kind) or "silence means no."


def _said(incident: Incident) -> Iterator[Block]:
    """Yield who decided what, when, and what came of it."""
    moments = [one for one in incident.timeline if one.what.startswith(_DECIDED)]
    lines = [
        [
            text(f"{one.at:%H:%M:%S} UTC: "),
            text(f"{_spoken(one.what)} "),
            *([theirs(one.detail, 200)] if one.detail else []),
        ]
        for one in moments[-2 * SAID :]
    ]
    if lines:
        yield section("What was decided", bullets(lines))


def _spoken(what: str) -> str:
    verb = what.removeprefix("a person said: ")
    past = {
        "approve": "approved by",
        "reject": "rejected by",
        "undo": "undo by",
        "extend": "extended by",
        "stand-down": "stood down by",
        "close": "closed by",
        "answered": "result:",
    }
    return past.get(verb, literal(verb, 60))


def _buttons(incident: Incident, doors: Doors, *, whole: bool) -> Iterator[Block]:
    elsewhere = bool(irreversible(incident, doors.irreversible))
    elements = list(row(incident, elsewhere)) if whole else []
    if whole and elsewhere and incident.summary.waiting_for:
        yield context(_elsewhere(incident.summary, doors))
        if doors.page:
            elements.insert(0, link(f"{PREFIX}page", "Decide after a login", doors.page))
    if doors.page:
        elements.append(link(f"{PREFIX}report", "Open report", doors.page))
    if doors.temporal:
        elements.append(link(f"{PREFIX}temporal", "Open in Temporal", doors.temporal))
    if elements:
        yield {"type": "actions", "block_id": "firebreak", "elements": elements}


def _elsewhere(summary: Summary, doors: Doors) -> str:
    where = "on the approval page, after a login" if doors.page else f"with: firebreak approve {summary.id}"
    return f"Part of this cannot be undone. That is not approved in Slack but {where}"


def _small_print(incident: Incident, *, whole: bool) -> str:
    summary = incident.summary
    line = (
        f"{summary.id} · cluster {literal(incident.cluster.name, 60)} · mode {summary.mode}"
        f" · opened {summary.opened_at:%Y-%m-%d %H:%M} UTC · more: firebreak describe {summary.id}"
    )
    return line if whole else f"{line} · no worker answers: this is what was last known, buttons come back"
