"""The state of one incident, and how it is told: plain data, no waiting, no effects."""

from collections.abc import Collection
from datetime import datetime

from signals import fitting
from signals.decisions import Decision, PlannedAction
from signals.entities import Entity
from signals.incidents import (
    Investigation,
    Moment,
    WaitingFor,
)
from signals.pages import Page
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.requests import Batch, Carried, FalseAlarm, IncidentInput, Outcome
from signals.threats import Mode, ThreatEvent
from signals.verdicts import Verdict

MOST_EVENTS = 200
"""Events kept whole once they are judged; of older ones only the id is remembered."""
MOST_MOMENTS = 200
MOST_DECISIONS = 10
MOST_SEEN = 5_000


class CaseFile:
    """Everything an incident knows."""

    def __init__(self, given: IncidentInput, now: datetime) -> None:
        """Open the file, or take over what was carried."""
        self.given = given
        carried = given.carried
        self.opened_at = carried.opened_at if carried else now
        self.seen: dict[str, int] = {}
        self.events: dict[str, ThreatEvent] = {}
        self.unread: list[ThreatEvent] = []
        self.news = False
        """Whether something was seen that was never seen before, since somebody last asked."""
        self.decisions: list[Decision] = []
        self.receipts: dict[str, Receipt] = {}
        self.timeline: list[Moment] = []
        self.links: list[str] = [given.reopens] if given.reopens else []
        self.next_index = 0
        self.plan: Plan | None = None
        self.staged: Decision | None = None
        self.investigation: Investigation | None = None
        self.investigated = False
        self.false_alarms: list[FalseAlarm] = list(given.false_alarms)
        self.stood_down = False
        self.left_out = 0
        """Events that were judged and are not kept any more."""
        self.closed_because = ""
        self.verdict: Verdict | None = None
        if carried:
            self._resume(carried)

    def _resume(self, carried: Carried) -> None:
        for event_id, revision in (seen.rsplit(":", 1) for seen in carried.seen):
            self.seen[event_id] = int(revision)
        self.events = {event.id: event for event in carried.events}
        self.unread = list(carried.unread)
        self.decisions = list(carried.decisions)
        self.receipts = {receipt.action.id: receipt for receipt in carried.receipts}
        self.timeline = list(carried.timeline)
        self.links = list(carried.links)
        self.next_index = carried.next_index
        self.plan, self.staged = carried.plan, carried.staged
        self.investigation, self.investigated = carried.investigation, carried.investigated
        self.false_alarms = list(carried.false_alarms)
        self.stood_down = carried.stood_down
        self.left_out = carried.left_out

    def carry(
        self,
        waiting: WaitingFor | None,
        asked_below: WaitingFor | None,
        used: tuple[str, ...],
        untold: tuple[Page, ...] = (),
    ) -> IncidentInput:
        """Return the input of the next run, no larger than Temporal takes."""
        last = self.timeline[-1].at if self.timeline else self.opened_at
        return self.given.model_copy(
            update={
                "carried": fitting.carried(
                    Carried(
                        opened_at=self.opened_at,
                        seen=tuple(f"{event_id}:{revision}" for event_id, revision in self.seen.items()),
                        events=tuple(self.events.values()),
                        unread=tuple(self.unread),
                        decisions=tuple(self.decisions),
                        next_index=self.next_index,
                        receipts=tuple(self.receipts.values()),
                        plan=self.plan,
                        staged=self.staged,
                        false_alarms=tuple(self.false_alarms),
                        stood_down=self.stood_down,
                        investigation=self.investigation,
                        investigated=self.investigated,
                        timeline=tuple(self.timeline),
                        links=tuple(self.links),
                        waiting=waiting,
                        asked_below=asked_below,
                        used=used,
                        left_out=self.left_out,
                        untold=untold,
                    ),
                    last,
                )
            }
        )

    def note(self, at: datetime, what: str, detail: str = "") -> None:
        """Add one line to the timeline."""
        self.timeline.append(Moment(at=at, what=what, detail=detail[:500]))
        del self.timeline[:-MOST_MOMENTS]

    def receive(self, batch: Batch, at: datetime) -> None:
        """Take in events; a revision that was seen, or is older than one, changes nothing."""
        for event in batch.events:
            if event.revision <= self.seen.get(event.id, 0):
                continue
            if event.id not in self.seen:
                self.news = True
                self.note(at, f"seen: {event.title}", f"{event.agent}, {event.rule}")
            self.seen[event.id] = event.revision
            self.events[event.id] = event
            self.unread.append(event)
        self.links += [link for link in batch.links if link not in self.links]
        for oldest in list(self.seen)[: max(0, len(self.seen) - MOST_SEEN)]:
            del self.seen[oldest]

    def read(self) -> None:
        """Count everything as judged; keep the latest whole."""
        self.unread.clear()
        self.news = False
        sizes = [fitting.size(event) for event in self.events.values()]
        gone = fitting.kept(sizes, fitting.EVENTS_BYTES, MOST_EVENTS)
        for oldest in list(self.events)[:gone]:
            del self.events[oldest]
        self.left_out += gone

    def decided(self, decision: Decision, at: datetime) -> None:
        """Keep a judgement; say so where it asks for something or sees it in another light."""
        last = self.decisions[-1] if self.decisions else None
        judged = (decision.tier, decision.actions or (last and last.actions), decision.remark)
        if not last or judged != (last.tier, last.actions, last.remark):
            sure = "unknown" if decision.confidence is None else f"{decision.confidence:.2f}"
            self.note(at, f"judged: Tier {decision.tier:d}, confidence {sure}", judged[2])
        self.decisions = [*self.decisions, decision][-MOST_DECISIONS:]

    def acted(self, outcome: Outcome) -> None:
        """Keep what the executor did, or would do."""
        self.plan = outcome.plan
        self.update(outcome.receipts)
        for receipt in outcome.receipts:
            self.next_index = max(self.next_index, receipt.action.index + 1)

    def update(self, receipts: tuple[Receipt, ...]) -> None:
        """Take newer receipts."""
        self.receipts |= {receipt.action.id: receipt for receipt in receipts}

    def newer(self, receipts: tuple[Receipt, ...]) -> tuple[Receipt, ...]:
        """Return what of a report of the stack's owner is not older than what is known.

        The owner learns last what was decided anew: until then its word is that of before.
        """
        return tuple(one for one in receipts if not one.older_than(self.receipts.get(one.action.id)))

    def settle(self, state: ActionState, reason: str) -> None:
        """End what is staged: a person said no, nobody answered, or another plan took its place."""
        for action_id, receipt in self.receipts.items():
            if receipt.state is ActionState.STAGED:
                self.receipts[action_id] = receipt.model_copy(update={"state": state, "reason": reason})
        self.staged = None

    def replan(self, decided: Collection[PlannedAction] = ()) -> None:
        """Forget what is staged, so that the next judgement asks for it again, with what is new.

        A turn that was stopped meanwhile, and that this decision did not know of, is asked about next.
        """
        kept = {action.id for action in self.due} - {action.id for action in decided}
        self.staged = None
        self.receipts = {
            action_id: receipt
            for action_id, receipt in self.receipts.items()
            if receipt.state is not ActionState.STAGED or action_id in kept
        }

    @property
    def planned(self) -> tuple[PlannedAction, ...]:
        """What must not be asked for again: it stands, was shown in shadow, or was refused."""
        again = {ActionState.POSTPONED, ActionState.STAGED, ActionState.REVERTED, ActionState.FAILED}
        if any(event.mode is not Mode.SHADOW for event in self.events.values()):
            again.add(ActionState.SHADOW)  # the namespace was promoted meanwhile
        return tuple(r.action for r in self.receipts.values() if r.state not in again or self._over(r))

    def _over(self, receipt: Receipt) -> bool:
        """Return whether a turn that came to nothing stays so: until what it came after is put back."""
        if not receipt.action.deferred or receipt.state not in (ActionState.FAILED, ActionState.REFUSED):
            return False
        undone = {r.action.target.key for r in self.receipts.values() if r.state is ActionState.REVERTED}
        return not any(target.key in undone for target in receipt.action.targets)

    @property
    def due(self) -> tuple[PlannedAction, ...]:
        """What was decided and has its turn yet to come, or was stopped in it and waits for a person."""
        waits = [r for r in self.receipts.values() if r.state is ActionState.STAGED]
        first = {t.key for r in waits if not r.action.deferred for t in r.action.targets}
        stopped = [
            receipt.action.model_copy(update={"asks": receipt.action.asks or receipt.reason})
            for receipt in waits
            if receipt.action.deferred and not any(t.key in first for t in receipt.action.targets)
        ]
        due = [r.action for r in self.receipts.values() if r.state is ActionState.DUE]
        return tuple(sorted((*stopped, *due), key=lambda action: action.index))

    @property
    def due_and_stopped(self) -> bool:
        """Whether something that was due waits for a person."""
        return any(self.waits(action.id) for action in self.due)

    def waits(self, action_id: str) -> bool:
        """Return whether an action waits for a person."""
        known = self.receipts.get(action_id)
        return known is not None and known.state is ActionState.STAGED

    @property
    def put_back_or_stuck(self) -> bool:
        """Whether nothing can be put back any more: nothing stands, or somebody else's change stopped it."""
        return not self.unfinished or any(r.state is ActionState.DRIFTED for r in self.standing)

    @property
    def unfinished(self) -> tuple[Receipt, ...]:
        """What needs an owner, oldest first: it is in the cluster, or its turn comes."""
        found = (r for r in self.receipts.values() if r.state.stands or r.state is ActionState.DUE)
        return tuple(sorted(found, key=lambda receipt: receipt.action.index))

    @property
    def standing(self) -> tuple[Receipt, ...]:
        """What is in the cluster, oldest first."""
        return tuple(
            sorted((r for r in self.receipts.values() if r.state.stands), key=lambda r: r.action.index)
        )

    @property
    def subjects(self) -> tuple[Entity, ...]:
        """Whom this is about."""
        return tuple({event.subject.key: event.subject for event in self.events.values()}.values())
