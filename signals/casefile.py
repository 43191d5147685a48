"""The state of one incident, and how it is told: plain data, no waiting, no effects."""

from datetime import datetime

from signals.decisions import Decision, PlannedAction
from signals.entities import Entity
from signals.incidents import (
    Investigation,
    Moment,
    WaitingFor,
)
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.requests import Batch, Carried, FalseAlarm, IncidentInput, Outcome
from signals.threats import Mode, ThreatEvent

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
        self.closed_because = ""
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

    def carry(
        self, waiting: WaitingFor | None, asked_below: WaitingFor | None, used: tuple[str, ...]
    ) -> IncidentInput:
        """Return the input of the next run."""
        return self.given.model_copy(
            update={
                "carried": Carried(
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
        for oldest in list(self.events)[: max(0, len(self.events) - MOST_EVENTS)]:
            del self.events[oldest]

    def decided(self, decision: Decision, at: datetime) -> None:
        """Keep a judgement; say so where it asks for something or sees it in another light."""
        last = self.decisions[-1] if self.decisions else None
        judged = (decision.tier, decision.actions or (last and last.actions), decision.why_not)
        if not last or judged != (last.tier, last.actions, last.why_not):
            sure = "unknown" if decision.confidence is None else f"{decision.confidence:.2f}"
            self.note(at, f"judged: Tier {decision.tier:d}, confidence {sure}", decision.why_not)
        self.decisions.append(decision)
        del self.decisions[:-MOST_DECISIONS]

    def acted(self, outcome: Outcome) -> None:
        """Keep what the executor did, or would do."""
        self.plan = outcome.plan
        self.update(outcome.receipts)
        for receipt in outcome.receipts:
            self.next_index = max(self.next_index, receipt.action.index + 1)

    def update(self, receipts: tuple[Receipt, ...]) -> None:
        """Take newer receipts."""
        self.receipts |= {receipt.action.id: receipt for receipt in receipts}

    def settle(self, state: ActionState, reason: str) -> None:
        """End what is staged: a person said no, nobody answered, or another plan took its place."""
        for action_id, receipt in self.receipts.items():
            if receipt.state is ActionState.STAGED:
                self.receipts[action_id] = receipt.model_copy(update={"state": state, "reason": reason})
        self.staged = None

    def replan(self) -> None:
        """Forget what is staged, so that the next judgement asks for it again, with what is new."""
        self.staged = None
        self.receipts = {k: r for k, r in self.receipts.items() if r.state is not ActionState.STAGED}

    @property
    def planned(self) -> tuple[PlannedAction, ...]:
        """What must not be asked for again: it stands, was shown in shadow, or was refused."""
        again = {ActionState.STAGED, ActionState.REVERTED, ActionState.FAILED}
        if any(event.mode is not Mode.SHADOW for event in self.events.values()):
            again.add(ActionState.SHADOW)  # the namespace was promoted meanwhile
        return tuple(r.action for r in self.receipts.values() if r.state not in again)

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
