"""The report of one incident: what a person who was not there must know, in an order that can be read once.

Pure: an `Incident` in, an `InvestigationReport` out. Whatever an attacker wrote is in it as it was; who shows it
makes it harmless.
"""

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel

from signals.blast import BlastRadius, still, told
from signals.incidents import Incident
from signals.questions import Question, questions
from signals.receipts import ActionState, Receipt
from signals.words import ACTIONS, EXPIRIES, STATES, TIERS


class InvestigationReport(BaseModel, frozen=True):
    """`firebreak report ID -o json`: the incident, and what it comes to. A stable interface."""

    made_at: datetime
    """When this was told; an incident that is still open goes on."""
    story: tuple[str, ...]
    """What happened, in plain sentences."""
    questions: tuple[Question, ...]
    """Five questions that everybody asks, each answered yes, no or unknown, with proof."""
    stays_open: tuple[str, ...]
    """What is not closed although something was done, and what was not done."""
    incident: Incident
    """Everything that is known, as `firebreak describe -o json` prints it."""


def report(incident: Incident, made_at: datetime) -> InvestigationReport:
    """Return the report of one incident, as it is known at an instant."""
    return InvestigationReport(
        made_at=made_at,
        story=tuple(_story(incident)),
        questions=questions(incident),
        stays_open=tuple(dict.fromkeys(_open(incident))),
        incident=incident,
    )


def _story(incident: Incident) -> Iterator[str]:
    summary = incident.summary
    for event in sorted(incident.events, key=lambda event: event.observed_at)[:5]:
        times = f", {event.count} times" if event.count > 1 else ""
        yield f"At {event.observed_at:%H:%M:%S} UTC {event.agent} saw in {event.subject}{times}: {event.title}."
    if len(incident.events) > 5:
        yield f"{len(incident.events) - 5} more suspicions followed."
    sure = (
        "nobody could say how sure that is"
        if summary.confidence is None
        else (f"with a confidence of {summary.confidence:.2f}")
    )
    if radius := _radius(incident):
        yield from told(radius)
    yield f"It was judged Tier {summary.tier} ({TIERS[summary.tier]}), {sure}."
    if not incident.receipts:
        yield "Nothing was written to the cluster."
    for receipt in incident.receipts:
        yield _done(receipt)
    yield STATES[summary.state]


def _done(receipt: Receipt) -> str:
    what = f"{receipt.plan.summary[:1].upper()}{receipt.plan.summary[1:]}: {ACTIONS[receipt.state]}"
    by = f", approved by {receipt.approved_by}" if receipt.approved_by else ""
    why = f" ({receipt.reason})" if receipt.reason else ""
    until = ""
    if receipt.state.stands and receipt.expires_at:
        until = f", until {receipt.expires_at:%Y-%m-%d %H:%M} UTC, then {EXPIRIES[receipt.on_expiry]}"
    return f"{what}{by}{why}{until}."


def _radius(incident: Incident) -> BlastRadius | None:
    return incident.investigation.blast_radius if incident.investigation else None


def _open(incident: Incident) -> Iterator[str]:
    if radius := _radius(incident):
        yield from still(radius)
    for receipt in incident.receipts:
        if receipt.state.stands:
            yield from receipt.plan.residual
        if receipt.state in {ActionState.REFUSED, ActionState.FAILED, ActionState.STAGED}:
            yield f"{receipt.plan.summary} was not done: {receipt.reason or ACTIONS[receipt.state]}"
        for check in receipt.checks:
            if receipt.state.stands and check.result != "passed":
                yield f"{receipt.plan.summary}: {check.what} {check.result}: {check.how}"
