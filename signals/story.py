"""What Temporal's UI shows of an incident: details that read as a story, and pages for people.

The UI shows Markdown without room between the cells of a table, so there are lists. Whatever came from an alert
is shown through `signals.display`.
"""

from collections.abc import Iterator
from datetime import datetime

from signals.decisions import Decision, Tier
from signals.display import markdown
from signals.incidents import Incident, IncidentState, Moment, Summary, WaitingFor
from signals.pages import Page, PageKind
from signals.receipts import ActionState, Receipt
from signals.threats import Severity
from signals.words import ACTIONS, EXPIRIES, QUESTIONS, STATES, TIERS

SHOWN = 200
"""Characters shown of one text."""
MOMENTS = 30
"""Lines of the timeline, the latest; `firebreak describe` has all."""

_SEVERITY = {
    Tier.OBSERVE: Severity.INFO,
    Tier.RESTRICT: Severity.MEDIUM,
    Tier.ISOLATE: Severity.HIGH,
    Tier.ESCALATE: Severity.CRITICAL,
}


def beginning(incident: str) -> str:
    """Return what stands beside the story from the start, and stays there when nobody can tell the story."""
    return "\n".join(
        (
            "**Current Details** tell what happened, what was done and what waits for you. Where they stay empty,"
            " Firebreak's orchestrator is away: **Memo** holds where it stands, and what was contained stays so.",
            "",
            f"- the story in a terminal: `firebreak describe {incident}`",
            f"- wrong? put everything back: `firebreak undo {incident}`",
            f"- over? say what it was: `firebreak close {incident} --verdict …`",
            "",
            "*Request Cancellation* and *Terminate* put nothing back.",
        )
    )


def standing(summary: Summary) -> str:
    """Return where an incident stands and what can be done, in plain sentences: what is shown without a worker."""
    told = " ".join(line for line in _waits(summary) if line).replace("**", "").replace("`", "")
    return f"{summary.state}: {STATES[summary.state]} {told}"


def details(incident: Incident) -> str:
    """Return an incident as Markdown: what, what waits, what was done, what stays open, when."""
    summary = incident.summary
    sure = "unknown" if summary.confidence is None else f"{summary.confidence:.2f}"
    planned = bool(incident.receipts) and not any(map(_wrote, incident.receipts))
    lines = [
        f"### {markdown(summary.title, SHOWN)}",
        "",
        f"**{summary.state}**: {STATES[summary.state]}",
        "",
        f"Tier {summary.tier} ({TIERS[summary.tier]}) · {summary.severity} · confidence {sure}"
        f" · mode {summary.mode}",
        *_hindsight(summary),
        "",
        "#### What waits for you",
        "",
        *_waits(summary),
        "",
        "#### What is planned" if planned else "#### What was done",
        "",
        *([_done(receipt) for receipt in incident.receipts] or ["Nothing was written to the cluster."]),
    ]
    residual = {
        line for receipt in incident.receipts if receipt.state.stands for line in receipt.plan.residual
    }
    if residual:
        lines += [
            "",
            "#### What stays open",
            "",
            *(f"- {markdown(line, SHOWN)}" for line in sorted(residual)),
        ]
    lines += ["", "#### Timeline (UTC)", "", *map(_moment, incident.timeline[-MOMENTS:])]
    return "\n".join(lines)


def _waits(summary: Summary) -> Iterator[str]:
    """Yield what a person can or must do now, with the command."""
    stands = any(action.state.stands for action in summary.actions)
    if summary.waiting_for:
        yield from _asked(summary.id, summary.waiting_for)
        if stands:
            yield f"- a false alarm, put back what stands: `firebreak undo {summary.id}`"
    elif summary.state is IncidentState.CLOSED:
        yield from _over(summary, stands=stands)
    elif stands:
        yield "Nothing must be decided."
        yield ""
        yield f"- a false alarm, put everything back: `firebreak undo {summary.id}`"
        yield f"- more time needed: `firebreak extend {summary.id} --for 4h`"
    else:
        yield "Nothing must be decided."
        yield ""
        yield f"- when you have read it, say what it was: `firebreak close {summary.id} --verdict …`"
        if summary.exceptions:
            yield f"- not expected after all: `firebreak exceptions end {summary.exceptions[0]}`"
        else:
            yield f"- it is meant, and will come again: `firebreak snooze {summary.id} --for 7d --reason …`"


def _asked(incident: str, asked: WaitingFor) -> Iterator[str]:
    who, until = " or ".join(asked.roles), f"{asked.deadline:%Y-%m-%d %H:%M:%S}"
    person = " --person lead" if asked.roles == ("lead",) else ""
    yield f"**{who}: {asked.kind}**, until {until} UTC. {QUESTIONS.get(asked.kind, '')}"
    yield ""
    yield f"- yes: `firebreak approve {incident}{person}`"
    yield f"- no: `firebreak reject {incident}{person} --reason …`"
    if asked.group:
        yield f"- with all that waits for the same limit: `firebreak approve --group {asked.group}`"


def _over(summary: Summary, *, stands: bool) -> Iterator[str]:
    yield "Nothing. It is over."
    if summary.verdict is None or stands:
        yield ""
    if summary.verdict is None:
        yield f"- say what it was, if nobody has: `firebreak judge {summary.id} --verdict …`"
    if stands:
        yield f"- it was left standing; put it back: `firebreak undo {summary.id}`"


def _hindsight(summary: Summary) -> Iterator[str]:
    """Yield what somebody said that it was, or is."""
    if summary.verdict:
        yield f"\nIn hindsight: **{summary.verdict}**"
    if summary.exceptions:
        yield f"\nExpected, so nothing is done about it: `{'`, `'.join(summary.exceptions)}`"


def _wrote(receipt: Receipt) -> bool:
    """Return whether something came, or comes, of an action."""
    return receipt.state not in (ActionState.STAGED, ActionState.SHADOW)


def _done(receipt: Receipt) -> str:
    """Return one action: what, how far it came, why not, until when."""
    line = f"- {markdown(receipt.action.summary, SHOWN)}: **{receipt.state}**, {ACTIONS[receipt.state]}"
    if receipt.reason:
        line += f" ({markdown(receipt.reason, SHOWN)})"
    if receipt.expires_at and receipt.state.stands:
        line += f", until {receipt.expires_at:%Y-%m-%d %H:%M} UTC, then {EXPIRIES[receipt.on_expiry]}"
    return line


def _moment(moment: Moment) -> str:
    detail = f" · {markdown(moment.detail, SHOWN)}" if moment.detail else ""
    return f"- `{moment.at:%H:%M:%S}` {markdown(moment.what, SHOWN)}{detail}"


def page(incident: Incident, decision: Decision, at: datetime) -> Page:
    """Return what people are told after a judgement."""
    summary = incident.summary
    asks = summary.waiting_for is not None
    unattended = not decision.actions and bool(decision.why_not)
    tier = min(decision.tier, Tier.RESTRICT) if unattended else decision.tier
    kind = PageKind.APPROVAL if asks else PageKind.PAGE
    stands = ", ".join(f"{r.action.summary}: {r.state}" for r in incident.receipts) or "nothing was written"
    sure = "unknown" if decision.confidence is None else f"{decision.confidence:.2f}"
    told = Page(
        incident=summary.id,
        namespace=_namespace(summary),
        cluster=incident.cluster,
        kind=kind,
        severity=_SEVERITY[Tier(tier)],
        title=decision.title,
        text=stands if not decision.why_not else f"{stands}. {decision.why_not}",
        facts={
            "tier": str(int(decision.tier)),
            "confidence": sure,
            "state": summary.state,
            "entities": ", ".join(summary.entities[:10]),
            "residual": "; ".join(sorted({line for r in incident.receipts for line in r.plan.residual})),
        },
        dedup_key=f"{summary.id}/{kind}/{decision.revision}",
        at=at,
    )
    group = summary.waiting_for.group if summary.waiting_for else ""
    return _of_group(told, incident, group) if group else told


def unanswered(incident: Incident, asked: WaitingFor, at: datetime) -> Page:
    """Return what people are told when nobody has answered; of a group they are told once."""
    page = note(incident, PageKind.OUTCOME, "nobody answered in time", at)
    if not asked.group:
        return page
    text = f"nobody answered in time about what waits in {asked.group}: nothing of it is written"
    return page.model_copy(update={"text": text, "dedup_key": f"{asked.group}/silence"})


def _namespace(summary: Summary) -> str:
    """Return the namespace of the first thing that an incident is about."""
    parts = summary.entities[0].split("/") if summary.entities else []
    return parts[1] if len(parts) > 2 else ""


def _of_group(page: Page, incident: Incident, group: str) -> Page:
    """Return the one page about everything that waits for the same limit; it names the first incident."""
    why = next((receipt.reason for receipt in incident.receipts if receipt.reason), page.text)
    return page.model_copy(
        update={
            "title": f"A limit is reached: {why}",
            "text": (
                "What comes now is planned and waits, as one decision: "
                f"`firebreak approve --group {group}`, or `reject`. The first of it: {page.title}"
            ),
            "facts": {**page.facts, "group": group},
            "dedup_key": group,
        }
    )


def note(incident: Incident, kind: PageKind, text: str, at: datetime) -> Page:
    """Return a short message about something that happened to an incident."""
    summary = incident.summary
    severity = Severity.HIGH if kind in (PageKind.DRIFT, PageKind.PAGE) else Severity.INFO
    return Page(
        incident=summary.id,
        namespace=_namespace(summary),
        cluster=incident.cluster,
        kind=kind,
        severity=severity,
        title=summary.title,
        text=text,
        facts={"state": summary.state if summary.state is not IncidentState.CLOSED else "closed"},
        dedup_key=f"{summary.id}/{kind}/{at.isoformat()}",
        at=at,
    )
