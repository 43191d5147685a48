"""One incident as a story, for a person who was just woken: what happened, what was done, what waits for you.

Pure: an `Incident` in, sections of plain lines out. Nothing is made harmless here; the screen does that.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from signals.evidence import Evidence
from signals.incidents import ActionSummary, Incident, IncidentState, Moment, Summary, WaitingFor
from signals.plans import Plan
from signals.receipts import ActionState, Receipt, Result
from signals.threats import ThreatEvent
from signals.words import ACTIONS, EXPIRIES, QUESTIONS, STATES, TIERS
from workers.cli import blast
from workers.cli.screen import Line, Section
from workers.cli.words import COLOURS, clock, count, relative

EVIDENCE_LINES = 5
"""How many observations of one suspicion are shown; `-o json` holds all."""
DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
"""An image's digest, of which twelve digits tell it from all others here; `-o json` holds it whole."""
EVIDENCE_LENGTH = 240
"""Characters shown of one observation."""


def headline(summary: Summary, now: datetime) -> tuple[Line, ...]:
    """Return what one must know first: how bad, what, and where it stands."""
    confidence = "unknown" if summary.confidence is None else f"{summary.confidence:.2f}"
    tier = f"tier {summary.tier} ({TIERS[summary.tier]})"
    return (
        Line(f"{summary.severity.upper()}  {summary.title}", COLOURS[summary.severity], 0),
        Line(f"{summary.id}", "bold", 0),
        Line(
            f"opened {clock(summary.opened_at, now)}, {relative(summary.opened_at, now)} · {tier}"
            f" · confidence {confidence} · mode {summary.mode}",
            "dim",
            0,
        ),
        Line(f"{summary.state}: {STATES[summary.state]}", "bold", 0),
    )


def tell(incident: Incident, now: datetime, program: str = "firebreak") -> tuple[Section, ...]:
    """Return the whole story of one incident. Its end, what a terminal still shows, is what to type now."""
    return (
        Section("What happened", tuple(_happened(incident, now))),
        Section("What it touches", tuple(_touches(incident))),
        Section("What was done", tuple(_done(incident, now))),
        Section("What stays open", tuple(_open(incident))),
        Section("Timeline", tuple(_moment(moment, now) for moment in incident.timeline)),
        Section("What waits for you", tuple(waits(incident.summary, now, program))),
    )


def brief(summary: Summary, now: datetime, program: str = "firebreak") -> tuple[Section, ...]:
    """Return what the list knows of an incident whose workflow cannot be asked any more."""
    done = tuple(_action(action, now) for action in summary.actions)
    return (
        Section("What it touches", tuple(Line(entity) for entity in summary.entities)),
        Section("What was done", done or (Line("Nothing was written to the cluster."),)),
        Section("What waits for you", tuple(waits(summary, now, program))),
    )


def waits(summary: Summary, now: datetime, program: str = "firebreak") -> Iterator[Line]:
    """Yield what a person can or must do now, each with the exact command."""
    standing = [action for action in summary.actions if action.state.stands]
    if summary.waiting_for is not None:
        yield from _asked(summary.id, summary.waiting_for, now, program)
        if standing:
            yield from _offer("A false alarm? Put back what stands:", f"{program} undo {summary.id}")
        return
    if summary.state is IncidentState.CLOSED:
        yield from _over(summary, program)
        return
    if not standing:
        yield Line("Nothing must be decided.")
        yield from _offer("When you have read it:", f"{program} close {summary.id}")
        if summary.exceptions:
            end = f"{program} exceptions end {summary.exceptions[0]}"
            yield from _offer("It was expected. Not any more?", end)
        else:
            snooze = f'{program} snooze {summary.id} --for 7d --reason "why"'
            yield from _offer("It is meant, and will come again? Expect it for a while:", snooze)
        return
    yield Line("Nothing must be decided.")
    if any(action.state is ActionState.DRIFTED for action in standing):
        yield from _offer("Remove our own marks all the same:", f"{program} undo {summary.id} --force")
    else:
        yield from _offer("A false alarm? Put everything back:", f"{program} undo {summary.id}")
    yield from _offer("More time needed:", f"{program} extend {summary.id} --for 4h")


def _over(summary: Summary, program: str) -> Iterator[Line]:
    yield Line(f"Nothing. It is over{f', and was: {summary.verdict}' if summary.verdict else ''}.")
    if any(action.state.stands for action in summary.actions):
        yield from _offer("It was left standing. Put it back:", f"{program} undo {summary.id}")
    if summary.verdict is None:
        yield from _offer("Say what it was, if nobody has:", f"{program} judge {summary.id} --verdict …")


def _asked(incident: str, asked: WaitingFor, now: datetime, program: str) -> Iterator[Line]:
    roles = " or ".join(asked.roles) or "anybody"
    yield Line(
        f"You are asked: {asked.kind}. As {roles}, until {clock(asked.deadline, now)}"
        f" ({relative(asked.deadline, now)}). {QUESTIONS.get(asked.kind, '')}".rstrip(),
        "bold yellow",
    )
    person = " --person lead" if asked.roles == ("lead",) else ""
    yield from _offer("Yes:", f"{program} approve {incident}{person}")
    yield from _offer("No:", f'{program} reject {incident}{person} --reason "why"')
    if asked.group:
        yield from _offer(
            f"It waits with all that has reached the same limit, as one decision: {asked.group}. Yes to all:",
            f"{program} approve --group {asked.group}{person}",
        )
    if asked.plan_hash:
        yield Line(f"You approve exactly this plan: {asked.plan_hash}", "dim")


def _offer(why: str, command: str) -> Iterator[Line]:
    yield Line(why)
    yield Line(command, "bold cyan", 4)


def _happened(incident: Incident, now: datetime) -> Iterator[Line]:
    for event in incident.events:
        times = f", {event.count} times" if event.count > 1 else ""
        technique = f" ({event.technique})" if event.technique else ""
        yield Line(f"{clock(event.observed_at, now)}  {event.title}{technique}{times}")
        yield Line(f"seen by {event.agent}, rule “{event.rule}”, about {event.subject}", "dim", 4)
        for evidence in event.evidence[:EVIDENCE_LINES]:
            yield Line(_evidence(evidence), indent=4)
        if len(event.evidence) > EVIDENCE_LINES:
            yield Line(f"and {len(event.evidence) - EVIDENCE_LINES} more: -o json shows all", "dim", 4)
        yield from _limits(event)


def _evidence(evidence: Evidence) -> str:
    summary = evidence.summary
    shown = summary if len(summary) <= EVIDENCE_LENGTH else f"{summary[:EVIDENCE_LENGTH]}…"
    return f"{shown}{' (received cut short)' if evidence.truncated else ''}"


def _limits(event: ThreatEvent) -> Iterator[Line]:
    for caveat in event.caveats:
        yield Line(f"but: {caveat}", "yellow", 4)
    if event.exception:
        yield Line(f"to silence it for good, in policy.yaml: {event.exception}", "dim", 4)


def _touches(incident: Incident) -> Iterator[Line]:
    found = incident.investigation
    if found is None:
        yield Line("Not investigated yet.", "dim")
        return
    for finding in found.findings:
        yield Line(finding)
    names = {node.id: DIGEST.sub(r"\1…", str(node.entity)) for node in found.nodes}
    for edge in found.edges:
        source, target = names.get(edge.source, edge.source), names.get(edge.target, edge.target)
        yield Line(f"{source}  {edge.type}  {target}", "dim", 4)
    for missing in found.missing:
        yield Line(f"could not be found out: {missing}", "yellow")
    if found.blast_radius:
        yield from blast.lines(found.blast_radius)
    for link in incident.links:
        yield Line(f"shares something with incident {link}")


def _done(incident: Incident, now: datetime) -> Iterator[Line]:
    if not incident.receipts:
        yield Line("Nothing was written to the cluster.")
    for receipt in incident.receipts:
        yield from _receipt(receipt, now)
    if incident.plan:
        yield from _planned(incident.plan, {receipt.action.id for receipt in incident.receipts})
    if incident.decisions and incident.decisions[-1].why_not:
        yield Line(f"Nothing more by itself: {incident.decisions[-1].why_not}", "yellow")


def _planned(plan: Plan, told: set[str]) -> Iterator[Line]:
    for action in plan.actions:
        if action.action.id not in told:
            yield Line(f"planned: {action.summary}")
            yield from (Line(str(write), indent=4) for write in action.writes)
        if action.blocked:
            yield Line(f"must not be written: {action.blocked}", "yellow", 4)
    for answer in plan.dry_run:
        if not answer.accepted:
            yield Line(f"the dry run failed: {answer.write}: {answer.message}", "red", 4)


def _receipt(receipt: Receipt, now: datetime) -> Iterator[Line]:
    reason = f" ({receipt.reason})" if receipt.reason else ""
    yield Line(f"{receipt.plan.summary}: {ACTIONS[receipt.state]}{reason}", _colour(receipt.state))
    if receipt.state.stands and receipt.expires_at:
        until = f"until {clock(receipt.expires_at, now)} ({relative(receipt.expires_at, now)})"
        yield Line(f"{until}, then {EXPIRIES[receipt.on_expiry]}", "dim", 4)
    if receipt.approved_by:
        yield Line(f"approved by {receipt.approved_by}", "dim", 4)
    yield from (Line(str(write), "dim", 4) for write in receipt.plan.writes)
    for check in receipt.checks:
        yield Line(f"{check.what} {check.result}: {check.how}", _check_colour(check.result), 4)


def _open(incident: Incident) -> Iterator[Line]:
    standing = (receipt for receipt in incident.receipts if receipt.state.stands)
    for residual in dict.fromkeys(line for receipt in standing for line in receipt.plan.residual):
        yield Line(residual, "yellow")
    for receipt in incident.receipts:
        if receipt.state in {ActionState.REFUSED, ActionState.FAILED}:
            yield Line(f"{receipt.plan.summary} was not done: {receipt.reason or receipt.state}", "yellow")


def _action(action: ActionSummary, now: datetime) -> Line:
    until = f", until {clock(action.expires_at, now)}" if action.expires_at and action.state.stands else ""
    return Line(f"{action.type} on {action.target}: {ACTIONS[action.state]}{until}", _colour(action.state))


def _moment(moment: Moment, now: datetime) -> Line:
    detail = f" · {moment.detail}" if moment.detail else ""
    return Line(f"{clock(moment.at, now)}  {moment.what}{detail}")


def _colour(state: ActionState) -> str:
    if state in {ActionState.EFFECTIVE, ActionState.REVERTED, ActionState.DONE}:
        return "green"
    if state in {ActionState.INEFFECTIVE, ActionState.DRIFTED, ActionState.FAILED, ActionState.REFUSED}:
        return "red"
    return ""


def _check_colour(result: Result) -> str:
    return {Result.PASSED: "green", Result.FAILED: "red", Result.UNKNOWN: "yellow"}[result]


def totals(summaries: Sequence[Summary]) -> str:
    """Return the last line of the list: how many, how many open, how many wait for a person."""
    opened = sum(summary.state is not IncidentState.CLOSED for summary in summaries)
    waiting = sum(summary.waiting_for is not None for summary in summaries)
    return f"{count(len(summaries), 'incident')}, {opened} open, {waiting} waiting for a person"
