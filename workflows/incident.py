"""The life of one incident: judge, write, and only then everything else.

The first containment takes the short path: a local activity judges, one activity writes, nothing between.
What follows (the owner of the stack, the probes, the page, what the UI shows) starts after the write. The tier
only rises by itself; what is put back is put back by people or by expiry.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.judge import Judging
    from signals import picture, story
    from signals.approvals import Answer
    from signals.casefile import CaseFile
    from signals.decisions import Decision
    from signals.incidents import Incident, Summary, WaitingFor
    from signals.pages import Page, PageKind
    from signals.requests import (
        Batch,
        Closed,
        IncidentInput,
        JudgeRequest,
        Report,
    )

from workflows.acting import Acting
from workflows.approval import ApprovalGate
from workflows.handover import StackOwner
from workflows.hearing import heard
from workflows.obeying import Obeying
from workflows.options import CARRIES_ON, JUDGE, LETS_STAND, MOST_UNTOLD


@workflow.defn
class IncidentWorkflow(Acting, Obeying):
    """One incident, from its first event to its close."""

    @workflow.init
    def __init__(self, given: IncidentInput) -> None:
        """Open the file before the first signal is read: signal-with-start delivers it first."""
        carried = given.carried
        self._file = CaseFile(given, workflow.now())
        self._gate = ApprovalGate(
            given.liaison_key, carried.waiting if carried else None, carried.used if carried else ()
        )
        self._stack = StackOwner(given)
        self._writing = asyncio.Lock()
        self._rejudge = False
        self._shown: Summary | None = None
        self._asked_below = carried.asked_below if carried else None
        self._answers: dict[str, Answer] = {}
        self._closing = ""
        self._aside: set[asyncio.Task[None]] = set()
        self._untold: list[Page] = []

    @workflow.run
    async def run(self, given: IncidentInput) -> Closed:
        """Live until somebody closes the incident, or nothing is left to watch."""
        if given.carried and self._gate.waiting:
            self._asking = asyncio.create_task(self._outwait())
        for page in given.carried.untold if given.carried else ():
            self._beside(self._tell(page))
        try:
            while not await self._over():
                await self._respond_until_quiet()
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                leave = self._let_stand if workflow.patched(LETS_STAND) else self._stand_down
                await asyncio.shield(asyncio.create_task(leave()))
            raise
        return Closed(
            events=tuple(self._file.seen), false_alarms=tuple(self._file.false_alarms), reason=self._closing
        )

    async def _over(self) -> bool:
        """Close, if somebody said so. What is seen for the first time meanwhile is judged: it stays open then."""
        if not self._closing:
            return False
        self._file.closed_because = self._closing
        self._file.note(workflow.now(), "closed", self._closing)
        self._publish()
        self._beside(self._tell(story.note(self._incident(), PageKind.CLOSED, self._closing, workflow.now())))
        await workflow.wait_condition(
            lambda: self._file.news or (not self._aside and workflow.all_handlers_finished())
        )
        if not self._file.news:
            return True
        self._closing = self._file.closed_because = ""
        self._file.note(workflow.now(), "something new was seen while it closed: it stays open")
        return False

    async def _respond_until_quiet(self) -> None:
        """Wait for something to judge; judge it; close by itself what nobody needs any more."""
        await self._go_on_in_a_flood()
        idle = not self._file.unfinished and self._waiting is None
        quiet = timedelta(seconds=self._file.given.quiet_seconds) if idle else None
        try:
            await workflow.wait_condition(
                lambda: bool(self._file.unread) or self._rejudge or bool(self._closing) or self._crowded(),
                timeout=quiet,
                timeout_summary="closes by itself when nothing new is seen",
            )
        except TimeoutError:
            if not self._file.unread and not self._file.unfinished:
                self._closing = "nothing new was seen, and nothing stands"
            return
        if self._file.unread or self._rejudge:
            self._rejudge = False
            await self._respond()
        elif self._crowded():
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self._crowded():
                self._go_on()

    def _crowded(self) -> bool:
        """Return whether to go on in a new run: this one is long, and nothing is due or in flight but pages."""
        if not workflow.info().is_continue_as_new_suggested() or self._rejudge or self._closing:
            return False
        if self._writing.locked() or len(self._aside) > len(self._untold):
            return False
        return not self._aside or workflow.patched(CARRIES_ON)

    async def _go_on_in_a_flood(self) -> None:
        """Go on in a new run although something is unread: in a flood there always is."""
        if not (self._file.unread and workflow.info().is_continue_as_new_suggested()):
            return
        if workflow.patched(CARRIES_ON):
            # What follows the last judgement comes first; it waits for nobody.
            await workflow.wait_condition(lambda: True)
            if self._crowded() and workflow.all_handlers_finished():
                self._go_on()

    def _go_on(self) -> None:
        """End this run; the next one takes everything over, and tells people what they were not told yet."""
        untold = tuple(self._untold[-MOST_UNTOLD:])
        workflow.continue_as_new(
            self._file.carry(self._gate.waiting, self._asked_below, self._gate.used, untold)
        )

    async def _respond(self) -> None:
        """Judge everything that is known; write what may be written; let the rest follow."""
        request = self._question()
        self._file.read()
        decision = await workflow.execute_local_activity_method(Judging.judge, request, **JUDGE)
        first = not self._file.decisions
        rose = not first and decision.tier > max(earlier.tier for earlier in self._file.decisions)
        self._file.decided(decision, decision.decided_at)
        acted = bool(decision.actions) and not self._file.stood_down and self._is_new(decision)
        if acted:
            await self._act(decision)
        news = first or rose or (acted and self._is_for_people())
        self._beside(self._follow_up(decision, tell=decision.page and news, first=first))

    def _is_for_people(self) -> bool:
        """Return whether what was just done at the same tier is news for people: one page for one incident."""
        return self._gate.waiting is not None or not workflow.patched("one-page")

    def _question(self) -> JudgeRequest:
        """Return everything that a judgement rests on."""
        file = self._file
        return JudgeRequest(
            incident=file.given.incident,
            cluster=file.given.cluster,
            revision=len(file.decisions) + 1,
            events=tuple(file.events.values()),
            planned=file.planned,
            due=file.due,
            next_index=file.next_index,
            false_alarms=tuple(file.false_alarms),
            investigation=file.investigation,
        )

    def _is_new(self, decision: Decision) -> bool:
        """Return whether this asks for something else than what is already staged."""
        staged = self._file.staged
        if staged is None or staged.tier != decision.tier:
            return True
        asked = (a for a in staged.actions if a.id not in self._file.receipts or self._file.waits(a.id))
        what = [(action.type, action.peer, action.targets) for action in decision.actions]
        return what != [(action.type, action.peer, action.targets) for action in asked]

    @workflow.signal(description="New or repeated ThreatEvents")
    def events(self, *said: Any) -> None:
        """Take in a batch. What does not decode is said, not dropped in silence."""
        try:
            self._file.receive(Batch.model_validate(heard(said)), workflow.now())
        except ValidationError as error:
            self._file.note(workflow.now(), "a signal did not decode", str(error.errors()[0]["msg"]))

    @workflow.signal(description="Two people have resumed: what was postponed is judged again")
    def resumed(self, *said: Any) -> None:
        """Judge again. Whoever sends this can have nothing judged that is not known already."""
        self._rejudge = True

    @workflow.signal(description="What became of the stack of applied actions")
    def stack(self, *said: Any) -> None:
        """Take in a report of the stack's owner."""
        try:
            report = Report.model_validate(heard(said))
        except ValidationError as error:
            self._file.note(workflow.now(), "a report did not decode", str(error.errors()[0]["msg"]))
            return
        due = {receipt.action.id for receipt in self._file.unfinished}
        self._take_in(report.receipts)
        self._rejudge |= any(self._file.waits(action_id) for action_id in due)
        self._asked_below = report.waiting
        self._answers |= report.answers
        for line in report.notes:
            self._file.note(workflow.now(), line)
        self._publish()

    @workflow.query(description="The whole incident")
    def incident(self) -> Incident:
        """Return everything that is known."""
        return self._incident()

    @property
    def _waiting(self) -> WaitingFor | None:
        return self._gate.waiting or self._asked_below

    def _incident(self) -> Incident:
        return picture.incident(self._file, self._waiting)

    async def _let_stand(self) -> None:
        """A cancel is nobody's word: finish what is being written, leave it to its owner, and tell people."""
        async with self._writing:
            await self._stack.hand_over(self._file)
        text = "cancelled in Temporal: nothing is put back by that; undo or stand-down does it"
        self._file.note(workflow.now(), text)
        self._publish()
        await self._tell(story.note(self._incident(), PageKind.DRIFT, text, workflow.now()))

    async def _stand_down(self) -> None:
        """How a cancel was before it needed a person's word; runs that began it so go on so."""
        self._file.stood_down = True
        async with self._writing:
            await self._stack.hand_over(self._file)
        if self._file.unfinished:
            await self._stack.cancel(self._file)
            await workflow.wait_condition(lambda: self._file.put_back_or_stuck)
        left = "; ".join(receipt.reason for receipt in self._file.standing)
        self._file.note(workflow.now(), "cancelled", left or "everything was put back")
        self._publish()
