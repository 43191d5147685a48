"""What the owners of a workload are told: what was done to it, why, until when, and how to contest it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from signals.display import terminal
from signals.entities import ClusterRef, Entity
from signals.incidents import Incident
from signals.receipts import ActionState, Receipt
from signals.words import EXPIRIES

MOST = 20
"""Workloads that are told of at one time; a storm says how many more there are."""
TITLE = 200


class Done(StrEnum):
    """What became of a workload, as the reason of a Kubernetes Event. A closed list."""

    CONTAINED = "FirebreakContained"
    PUT_BACK = "FirebreakPutBack"
    OVER = "FirebreakDone"
    """Done and over, as an eviction: there is nothing to put back."""


class Touched(BaseModel, frozen=True):
    """One pod that was touched, and what its owners are told."""

    pod: Entity
    owner: Entity | None = None
    done: Done
    text: str


class OwnersNews(BaseModel, frozen=True):
    """What is new for the owners of workloads in one incident."""

    incident: str
    cluster: ClusterRef
    touched: tuple[Touched, ...]
    at: datetime


def touched(incident: Incident) -> tuple[Touched, ...]:
    """Return each pod that something was written to, as it is now; nothing of what was only planned."""
    owners = {event.subject.key: event.owner for event in incident.events}
    pods = {target.key: target for receipt in incident.receipts for target in receipt.action.targets}
    found = []
    for key in list(pods)[:MOST]:
        theirs = [one for one in incident.receipts if any(t.key == key for t in one.action.targets)]
        told = _told(incident, theirs)
        if told:
            done, text = told
            found.append(Touched(pod=pods[key], owner=owners.get(key), done=done, text=text))
    return tuple(found)


def _told(incident: Incident, receipts: Iterable[Receipt]) -> tuple[Done, str] | None:
    name, why = incident.summary.id, terminal(incident.summary.title, TITLE)
    standing = [one for one in receipts if one.state.stands]
    over = [one for one in receipts if one.state is ActionState.DONE]
    back = [one for one in receipts if one.state is ActionState.REVERTED]
    if standing:
        until = max(((one.expires_at, one.on_expiry) for one in standing if one.expires_at), default=None)
        ends = f" Until {until[0]:%Y-%m-%d %H:%M} UTC, then {EXPIRIES[until[1]]}." if until else ""
        contest = (
            f"Wrong? Ask who is on call for `firebreak undo {name}`; all of it: `firebreak describe {name}`."
        )
        return Done.CONTAINED, f"Firebreak: {_what(standing)}. Why: {why}.{ends} {contest}"
    if over:
        return Done.OVER, f"Firebreak: {_what(over)}. Why: {why}. All of it: `firebreak describe {name}`."
    if back:
        return Done.PUT_BACK, f"Firebreak put everything back that incident {name} had done here."
    return None


def _what(receipts: Iterable[Receipt]) -> str:
    return "; ".join(dict.fromkeys(terminal(one.action.summary, TITLE) for one in receipts))
