"""Which buttons make sense now, and what each is bound to. A button says which; the truth is elsewhere."""

import hashlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pydantic import BaseModel

from activities.slack.blocks import Element, button, confirm
from signals.approvals import Verb
from signals.decisions import Inverse
from signals.display import literal
from signals.incidents import Incident, IncidentState
from signals.plans import ActionPlan
from signals.receipts import ActionState

PREFIX = "firebreak."
"""Of the action id of each button of ours."""
EXTEND_SECONDS = 4 * 3600
"""How much longer the button Extend lets stand."""


class Value(BaseModel, frozen=True):
    """What a button carries, and nothing else: Slack keeps it, and shows it to nobody."""

    incident: str
    plan: str
    """The hash of the plan that was asked about; empty where the button answers no question."""
    nonce: str
    """Of the incident, what is said and what it is about: pressed again, it is the same command."""


class Bound(NamedTuple):
    """What a button is about, as it is now."""

    plan: str
    nonce: str


def asked(incident: Incident) -> tuple[ActionPlan, ...]:
    """Return the actions that wait for a person."""
    return tuple(one.plan for one in incident.receipts if one.state is ActionState.STAGED)


def irreversible(incident: Incident, never: Collection[str]) -> tuple[ActionPlan, ...]:
    """Return those of them that policy has `never` approved in a chat alone, by the type of the action."""
    return tuple(one for one in asked(incident) if one.action.type in never)


def bound(incident: Incident, verb: Verb) -> Bound:
    """Return what a button to say this is bound to now."""
    waiting = incident.summary.waiting_for
    answers = verb in (Verb.APPROVE, Verb.REJECT)
    plan = waiting.plan_hash if waiting and answers else ""
    stands = [one for one in incident.summary.actions if one.state.stands]
    until = [f"{one.expires_at}" for one in stands] if verb is Verb.EXTEND else []
    about = plan if answers else "|".join([*sorted(one.id for one in stands), *until])
    whole = "\n".join((incident.summary.id, verb.value, about))
    return Bound(plan, hashlib.sha256(whole.encode()).hexdigest()[:24])


def offered(incident: Incident) -> tuple[Verb, ...]:
    """Return what a person can sensibly say now, the most likely first."""
    summary = incident.summary
    if summary.state is IncidentState.CLOSED:
        return ()
    said: list[Verb] = []
    if summary.waiting_for:
        said += [Verb.APPROVE, Verb.REJECT]
    if any(action.state.stands for action in summary.actions):
        said += [Verb.UNDO, Verb.EXTEND]
    if said:
        said.append(Verb.STAND_DOWN)
    return tuple(said)


_LABELS = {
    Verb.APPROVE: ("Approve", "primary"),
    Verb.REJECT: ("Reject …", "danger"),
    Verb.UNDO: ("Undo", ""),
    Verb.EXTEND: ("Extend by 4 h", ""),
    Verb.STAND_DOWN: ("Stand down", ""),
}


def row(incident: Incident, elsewhere: bool) -> Iterator[Element]:
    """Yield the buttons; without Approve where that is decided `elsewhere`."""
    for verb in offered(incident):
        if verb is Verb.APPROVE and elsewhere:
            continue
        plan, nonce = bound(incident, verb)
        value = Value(incident=incident.summary.id, plan=plan, nonce=nonce).model_dump_json()
        label, style = _LABELS[verb]
        yield button(f"{PREFIX}{verb}", label, value, style, _confirm(incident, verb))


def _confirm(incident: Incident, verb: Verb) -> Element | None:
    """Return what is asked before something that cannot simply be taken back."""
    if verb is Verb.APPROVE:
        lasting = [one.summary for one in asked(incident) if one.inverse is not Inverse.EXACT]
        if not lasting:
            return None
        what = f"It cannot be undone: {literal('; '.join(lasting), 220)}"
        return confirm("Approve what cannot be undone?", what, "Approve")
    if verb is Verb.UNDO:
        return confirm(
            "Put everything back?",
            "What is contained now can talk again at once. The same suspicion then only observes for a while.",
            "Undo",
        )
    if verb is Verb.STAND_DOWN:
        return confirm(
            "Stand down?",
            "Everything is put back, and nothing more is written for this incident.",
            "Stand down",
        )
    return None
