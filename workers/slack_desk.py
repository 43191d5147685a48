"""What is needed to hear people in Slack, and whether a button still means what it meant when it was shown."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.ports import KeyValue
from activities.slack.border import Border
from activities.slack.buttons import EXTEND_SECONDS, bound, irreversible, offered
from activities.slack.click import Click
from activities.slack.delivery import View
from activities.slack.outbox import Outbox
from activities.slack.record import Records
from activities.slack.web import Speaking
from signals.approvals import Answer, Verb, Via
from signals.audit import Kind
from signals.errors import NotFound, Refused, Unavailable
from signals.incidents import Incident
from signals.people import People, Person
from workers.saying import Saying

Note = Callable[[Kind, dict[str, Any], str], Awaitable[None]]
"""Appends to the audit record."""


Say = Callable[[Saying], Awaitable[Answer]]
"""Says something for a person, once, and returns what came of it. Raises `Refused`, `Unavailable`."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What is needed to hear people in Slack."""

    web: Speaking
    border: Border
    records: Records
    bucket: KeyValue
    outbox: Outbox
    view: View
    people: People
    never: frozenset[str]
    """Types of action that are not approved in Slack alone."""
    say: Say
    note: Note


async def meant(desk: Desk, click: Click, person: Person, attempt: int) -> Saying:
    """Return what somebody says with a click now; after a refusal another `attempt` is another saying.

    Raises:
        Refused: the button does not mean any more what it meant; the text says what has changed.
        Unavailable: nobody tells now how the incident is.
    """
    incident = await _looked_at(desk, click)
    _unchanged(incident, click)
    if click.verb is Verb.APPROVE and irreversible(incident, desk.never):
        raise Refused(
            "part of this cannot be undone, which is not approved in Slack alone: use the approval page,"
            f" or: firebreak approve {incident.summary.id}"
        )
    answers = click.verb in (Verb.APPROVE, Verb.REJECT)
    waiting = incident.summary.waiting_for
    return Saying(
        person=person,
        via=Via.SLACK,
        verb=click.verb,
        nonce=f"{click.value.nonce}-{attempt}",
        incident=incident.summary.id,
        plan_hash=click.value.plan,
        target_uids=waiting.target_uids if waiting and answers else (),
        reason=click.reason,
        seconds=EXTEND_SECONDS if click.verb is Verb.EXTEND else 0,
    )


async def _looked_at(desk: Desk, click: Click) -> Incident:
    """Return the incident whose one message this button stands in."""
    record = await desk.records.find(click.value.incident)
    if record is None or (record.channel, record.ts) != (click.channel, click.ts):
        raise Refused("this message is not the one that Firebreak keeps about this incident")
    try:
        known = await desk.view(click.value.incident)
    except NotFound as error:
        raise Refused("this incident is not there any more") from error
    if not known.whole:
        raise Unavailable("no worker tells about the incident now")
    return known.incident


def _unchanged(incident: Incident, click: Click) -> None:
    if click.verb not in offered(incident):
        raise Refused(_late(click.verb))
    if bound(incident, click.verb) != (click.value.plan, click.value.nonce):
        raise Refused("this has changed since you looked: the message shows how it is now; decide again")


def _late(verb: Verb) -> str:
    if verb in (Verb.APPROVE, Verb.REJECT):
        return "nothing waits for an answer any more: it was decided, expired or replaced"
    return "nothing of this incident stands any more"
