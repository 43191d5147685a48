"""Two parts of a message that can be long: what was done or is proposed, and how far it could reach."""

from collections.abc import Iterator, Sequence

from activities.slack.blocks import Block, Element, bullets, moment, section, text, theirs
from signals.blast import told
from signals.decisions import Inverse
from signals.display import literal
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState, Receipt
from signals.words import ACTIONS, EXPIRIES

DONE = 6
"""Actions that are told one by one."""
NAMED = 4
"""Entities, and sentences, that are told."""

_INVERSES = {
    Inverse.EXACT: "can be undone exactly",
    Inverse.PARTIAL: "can be undone in part",
    Inverse.NONE: "cannot be undone",
}


def between(elements: Sequence[Element]) -> list[Element]:
    """Return elements with commas between them."""
    spread = [part for element in elements for part in (element, text(", "))]
    return spread[:-1]


def plan(incident: Incident, *, whole: bool) -> Iterator[Block]:
    """Yield what was done or would be, each with how well it can be undone."""
    summary = incident.summary
    if incident.receipts:
        lines = [_done(receipt) for receipt in incident.receipts[:DONE]]
        left = len(incident.receipts) - DONE
    else:
        lines = [
            [
                text(f"{action.type.replace('_', ' ')} of "),
                theirs(action.target, 120),
                text(f": {ACTIONS[action.state]}"),
            ]
            for action in summary.actions[:DONE]
        ]
        left = len(summary.actions) - DONE
    if not lines:
        return
    if left > 0:
        lines.append([text(f"and {left} more")])
    if not whole:
        lines.append([text("how well this can be undone is not known while no worker answers")])
    title = (
        "What is proposed" if summary.state is IncidentState.AWAITING_APPROVAL else "What Firebreak has done"
    )
    yield section(title, bullets(lines))
    if residual := sorted({line for one in incident.receipts if _counts(one) for line in one.plan.residual}):
        yield section("What stays open", bullets([[theirs(line)] for line in residual[:NAMED]]))


def _counts(receipt: Receipt) -> bool:
    return receipt.state.stands or receipt.state is ActionState.STAGED


def _done(receipt: Receipt) -> list[Element]:
    line = [
        theirs(receipt.plan.summary, 200),
        text(f": {ACTIONS[receipt.state]}; {_INVERSES[receipt.plan.inverse]}"),
    ]
    if receipt.approved_by:
        line += [text("; approved by "), theirs(receipt.approved_by, 80)]
    if receipt.reason:
        line += [text("; "), theirs(receipt.reason, 200)]
    if receipt.expires_at and receipt.state.stands:
        line += [
            text("; until "),
            *moment(receipt.expires_at),
            text(f", then {EXPIRIES[receipt.on_expiry]}"),
        ]
    return line


def reach(incident: Incident) -> Iterator[Block]:
    """Yield what could be reached from there."""
    entities = incident.summary.entities
    lines: list[list[Element]] = []
    if len(entities) > 1:
        shown = between([theirs(one, 120) for one in entities[:NAMED]])
        least = " or more" if len(entities) == 50 else ""
        more = f" and {len(entities) - NAMED}{least} others" if len(entities) > NAMED else ""
        lines.append([text(f"{len(entities)}{least} things are involved: "), *shown, text(more)])
    investigation = incident.investigation
    if investigation is None:
        lines.append([text("What could be reached from there is not known yet.")])
    elif investigation.blast_radius:
        lines += [[text(literal(line, 400))] for line in told(investigation.blast_radius)]
        missing = investigation.blast_radius.missing
        lines += [[text("not known: "), theirs(line)] for line in missing[:2]]
    else:
        lines += [[theirs(line)] for line in investigation.findings[:NAMED]]
    if lines:
        yield section("How far it could reach", bullets(lines))
