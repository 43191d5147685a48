"""What can be done with a stack of applied actions: look, hold, put back, extend; and tell of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.notify import Notifying
    from activities.remediate import Remediating
    from signals.approvals import Answer, Approval
    from signals.pages import Page, PageKind
    from signals.receipts import ActionState, Receipt
    from signals.requests import (
        Cause,
        ExtendRequest,
        RemediationInput,
        Report,
        RevertRequest,
        Stack,
        StackRequest,
    )
    from signals.subjects import FREEZE_ACTION
    from signals.threats import Severity

from workflows.approval import ApprovalGate
from workflows.options import CARE, CHANGE, LATER, OUTLASTS, TELL

BELIEVED = timedelta(seconds=30)
"""How long a token of a pod that is gone may still be believed: its containment stands so long, and no longer."""

Request = TypeVar("Request", StackRequest, RevertRequest, ExtendRequest)


class Keeping:
    """The hands of a stack's owner. One thing at a time is done with a stack."""

    _given: RemediationInput
    _receipts: dict[str, Receipt]
    _gate: ApprovalGate
    _turn: asyncio.Lock
    _changed: bool
    _trouble: str
    """What the executor last said when it would not do something."""
    _not_before: datetime
    """When the clock of the stack may ask it again."""
    _aside: set[asyncio.Task[None]]
    _evicted = False
    """Every pod of the stack is gone long enough for its tokens to be dead everywhere."""
    _outlasting: "asyncio.Task[None] | None" = None
    """Waits until they are."""

    @property
    def _standing(self) -> tuple[Receipt, ...]:
        return tuple(
            sorted((r for r in self._receipts.values() if r.state.stands), key=lambda r: r.action.index)
        )

    @property
    def _due(self) -> tuple[Receipt, ...]:
        """What is on record and has its turn yet to come, in the order of its turns."""
        due = (receipt for receipt in self._receipts.values() if receipt.state is ActionState.DUE)
        return tuple(sorted(due, key=lambda receipt: receipt.action.index))

    @property
    def _unfinished(self) -> tuple[Receipt, ...]:
        return (*self._standing, *self._due)

    def _request(self) -> StackRequest:
        stack = self._given.stack
        return StackRequest(incident=stack.incident, cluster=stack.cluster, receipts=self._standing)

    def _everything(self) -> StackRequest:
        """Return the stack with what is due and what is done and over: an undo has to know both."""
        done = (receipt for receipt in self._receipts.values() if receipt.state is ActionState.DONE)
        every = sorted((*self._unfinished, *done), key=lambda receipt: receipt.action.index)
        return self._request().model_copy(update={"receipts": tuple(every)})

    async def _verify(self) -> None:
        if not any(receipt.state is ActionState.APPLIED for receipt in self._standing):
            return
        done = await self._done(Remediating.verify_stack, self._request(), "does it work?", CARE)
        if done is None:
            self._give_up_verifying()
            await self._report((f"not verified: {self._trouble}",))
            return
        await self._report(done.notes)
        if done.target_gone:
            await self._let_go()

    def _give_up_verifying(self) -> None:
        """What could not be looked at stands all the same, and is not called effective."""
        for receipt in self._standing:
            if receipt.state is ActionState.APPLIED:
                unseen = {"state": ActionState.UNVERIFIED, "reason": self._trouble}
                self._receipts[receipt.action.id] = receipt.model_copy(update=unseen)

    async def _hold(self) -> None:
        """Somebody changed the world around the stack: write what is missing, or say that it does not hold."""
        self._changed = False
        done = await self._done(Remediating.hold_stack, self._request(), "hold it against drift", CARE)
        if done is None:
            return
        await self._report(done.notes)
        if done.target_gone:
            await self._let_go()
        elif done.notes:
            self._tell(PageKind.DRIFT, "; ".join(done.notes))

    async def _let_go(self) -> None:
        """The pods are gone: put back what stands around them, a freeze once no token of theirs is believed."""
        frozen = any(receipt.action.type == FREEZE_ACTION for receipt in self._standing)
        if not (frozen and workflow.patched(OUTLASTS)):
            await self._revert(Cause.TARGET_GONE)
        elif self._outlasting is None:
            self._outlasting = asyncio.create_task(self._outlast())

    async def _outlast(self) -> None:
        await workflow.sleep(BELIEVED, summary="until no token of the pods is believed any more")
        self._evicted, self._outlasting = True, None

    async def _revert(self, cause: Cause, approval: Approval | None = None) -> Answer:
        """Put everything back, newest first; what somebody else changed stays, and is said."""
        request = RevertRequest(stack=self._everything(), cause=cause, approval=approval)
        done = await self._done(
            Remediating.revert_stack, request, f"put back: {approval.actor if approval else cause}"
        )
        if done is None:
            return await self._unable(approval)
        left = [receipt for receipt in done.receipts if receipt.state.stands]
        answer = Answer(accepted=not left, message="; ".join(done.notes) or "everything was put back")
        await self._report(done.notes, {approval.id: answer} if approval else {})
        if left:
            self._tell(PageKind.DRIFT, answer.message)
        return answer

    async def _extend(self, seconds: int, approval: Approval | None) -> Answer:
        request = ExtendRequest(stack=self._request(), seconds=seconds, approval=approval)
        done = await self._done(Remediating.extend_stack, request, f"let it stand {seconds // 60} min longer")
        if done is None:
            return await self._unable(approval)
        answer = Answer(accepted=True, message="; ".join(done.notes) or "extended")
        await self._report((answer.message,), {approval.id: answer} if approval else {})
        return answer

    async def _done(
        self,
        what: Callable[[Remediating, Request], Awaitable[Stack]],
        request: Request,
        summary: str,
        options: dict[str, Any] = CHANGE,
    ) -> Stack | None:
        """Let the executor do one thing with the stack; None where it would not, and people are told.

        Nothing that it answers ends us: what stands must have an owner.
        """
        async with self._turn:
            try:
                done: Stack = await workflow.execute_activity_method(
                    what, request, summary=summary, **options
                )
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                self._in_trouble(f"{what.__name__.replace('_', ' the ')}: {error.cause or error}")
                return None
            self._trouble = ""
            self._take(done)
            return done

    def _in_trouble(self, trouble: str) -> None:
        """Keep in mind what the executor would not do, and tell people of it once."""
        self._not_before = workflow.now() + LATER
        if trouble != self._trouble:
            self._trouble = trouble
            self._tell(PageKind.DRIFT, f"the executor could not {trouble}")

    async def _unable(self, approval: Approval | None) -> Answer:
        """Tell whoever asked that it was not done."""
        answer = Answer(accepted=False, message=f"not done: {self._trouble}")
        await self._report((answer.message,), {approval.id: answer} if approval else {})
        return answer

    def _take(self, done: Stack) -> None:
        self._receipts |= {receipt.action.id: receipt for receipt in done.receipts}

    async def _report(self, notes: tuple[str, ...] = (), answers: dict[str, Answer] | None = None) -> None:
        """Tell the incident, if it is still there."""
        report = Report(
            receipts=tuple(self._receipts.values()),
            notes=notes,
            waiting=self._gate.waiting,
            answers=answers or {},
        )
        try:
            handle = workflow.get_external_workflow_handle(self._given.stack.incident)
            await handle.signal("stack", report.model_dump(mode="json"))
        except FailureError:
            workflow.logger.info("the incident is closed; its stack lives on")

    def _tell(self, kind: PageKind, text: str, severity: Severity | None = None) -> None:
        """Tell people, beside everything else: a pager that is down must not keep anything standing."""
        task = asyncio.create_task(self._told(kind, text, severity))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _told(self, kind: PageKind, text: str, severity: Severity | None = None) -> None:
        stack = self._given.stack
        page = Page(
            incident=stack.incident,
            cluster=stack.cluster,
            kind=kind,
            severity=severity or self._given.severity,
            title=self._given.title,
            text=text,
            dedup_key=f"{stack.incident}/{kind}/{workflow.now().isoformat()}",
            at=workflow.now(),
        )
        try:
            await workflow.execute_activity_method(
                Notifying.tell_people, page, summary=f"tell people: {kind}", **TELL
            )
        except ActivityError as error:
            await self._report((f"people could not be told: {error.cause or error}",))
