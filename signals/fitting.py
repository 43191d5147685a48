"""Makes things small enough for where they go: an event for a signal, an incident for its next run.

Temporal takes 2 MiB in one piece and ends what it cannot take on. What is cut is counted and said; what was not
judged yet is the last to go.
"""

from collections.abc import Sequence
from datetime import datetime

from signals.evidence import Evidence
from signals.incidents import Moment
from signals.receipts import ActionState, Receipt
from signals.requests import Carried
from signals.threats import ThreatEvent

EVENT_BYTES = 4 * 1024
"""One event in an incident. An ordinary alert has half of it; the whole of a long one stays in its stream."""
EVENTS_BYTES = 512 * 1024
"""All events that an incident keeps whole once they are judged."""
RUN_BYTES = 1_800_000
"""Everything that one run of an incident hands to the next."""
_TEXT = 200
"""Characters left of one value of evidence, and of a summary, where an event is too long."""


def size(model: ThreatEvent | Carried | Receipt) -> int:
    """Return the bytes of a model as Temporal stores it."""
    return len(model.model_dump_json().encode("utf-8", "replace"))


def fitted(event: ThreatEvent, most: int = EVENT_BYTES) -> ThreatEvent:
    """Return an event whose evidence is cut until it fits; its hash is still that of all of it."""
    if size(event) <= most:
        return event
    for values in (16, 4, 0):
        shorter = tuple(_cut(evidence, values) for evidence in event.evidence[:4])
        cut = event.model_copy(update={"evidence": shorter})
        if size(cut) <= most:
            return cut
    bare = {"evidence": event.evidence[:1] and (_cut(event.evidence[0], 0),), "entities": event.entities[:4]}
    return event.model_copy(update=bare)


def _cut(evidence: Evidence, values: int) -> Evidence:
    data = {
        name: value[:_TEXT] if isinstance(value, str) else value
        for name, value in list(evidence.data.items())[:values]
        if isinstance(value, str | int | float | bool | None)
    }
    return evidence.model_copy(
        update={"summary": evidence.summary[: _TEXT * 2], "data": data, "truncated": True}
    )


def kept(sizes: Sequence[int], most: int, count: int) -> int:
    """Return how many of the oldest have to go until no more than `count` and `most` bytes are left."""
    left, total = len(sizes), sum(sizes)
    for gone, oldest in enumerate(sizes):
        if left - gone <= count and total <= most:
            return gone
        total -= oldest
    return left


def carried(whole: Carried, at: datetime, most: int = RUN_BYTES) -> Carried:
    """Return what the next run is given: what it needs first, and of the rest what has room."""
    over = whole.model_copy(
        update={"unread": whole.unread[-1:], "receipts": tuple(map(_settled, whole.receipts))}
    )
    for shed in (_receipts, _investigation, _decisions, _timeline, _events, _quieter, _oldest):
        excess = size(over) - most
        if excess <= 0:
            return over
        over = shed(over, whole, at, excess)
    return over


def _settled(receipt: Receipt) -> Receipt:
    """Return a receipt without what only its undo needs, where nothing is to be undone any more."""
    if receipt.state.stands or receipt.state in _OPEN:
        return receipt
    return receipt.model_copy(update={"plan": receipt.plan.model_copy(update={"writes": ()})})


_OPEN = frozenset({ActionState.STAGED, ActionState.DUE, ActionState.SHADOW})
_OVER = frozenset({ActionState.FAILED, ActionState.REVERTED})


def _said(over: Carried, at: datetime, what: str) -> Carried:
    moment = Moment(at=at, what=what, detail="more than one run can hand to the next")
    return over.model_copy(update={"timeline": (*over.timeline, moment)})


def _receipts(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    """Forget what failed or was put back, but for the latest."""
    ended = [receipt.action.id for receipt in over.receipts if receipt.state in _OVER][:-5]
    if not ended:
        return over
    left = tuple(receipt for receipt in over.receipts if receipt.action.id not in ended)
    return _said(over.model_copy(update={"receipts": left}), at, f"{len(ended)} receipts are not kept")


def _investigation(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    """Keep what the investigation found in words."""
    found = over.investigation
    if found is None:
        return over
    words = found.model_copy(
        update={"nodes": (), "edges": (), "missing": (*found.missing, "the graph was too large to keep")}
    )
    return over.model_copy(update={"investigation": words})


def _decisions(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    """Keep the latest judgements, and the one that went furthest."""
    furthest = max(over.decisions, key=lambda decision: decision.tier, default=None)
    latest = over.decisions[-2:]
    first = (furthest,) if furthest and furthest not in latest else ()
    return over.model_copy(update={"decisions": (*first, *latest)})


def _timeline(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    return over.model_copy(update={"timeline": over.timeline[-50:], "seen": over.seen[-1000:]})


def _events(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    """Let judged events go, the oldest first."""
    unread = {event.id for event in whole.unread}
    return _without(over, [event for event in over.events if event.id not in unread], at, excess, "events")


def _quieter(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    """Of unjudged events of one kind about one subject, let all but the loudest go: it alone is weighed."""
    loudest: dict[tuple[str, ...], ThreatEvent] = {}
    for event in over.events:
        kind = (event.subject.key, event.agent, event.detector, event.rule, event.unattributed)
        best = loudest.get(kind)
        if best is None or (event.confidence or 0.0) > (best.confidence or 0.0):
            loudest[kind] = event
    keep = {event.id for event in loudest.values()}
    quiet = [event for event in over.events if event.id not in keep]
    return _without(over, quiet, at, excess, "quieter events of the same kind")


def _oldest(over: Carried, whole: Carried, at: datetime, excess: int) -> Carried:
    return _without(over, list(over.events), at, excess, "events that nobody has judged")


def _without(over: Carried, candidates: list[ThreatEvent], at: datetime, excess: int, what: str) -> Carried:
    """Return it without so many of the candidates, from the first on, that the excess is gone."""
    gone: set[str] = set()
    for event in candidates:
        if excess <= 0:
            break
        excess -= size(event) + 1
        gone.add(event.id)
    if not gone:
        return over
    left = tuple(event for event in over.events if event.id not in gone)
    update = {"events": left, "left_out": over.left_out + len(gone)}
    return _said(over.model_copy(update=update), at, f"{len(gone)} {what} are not kept")
