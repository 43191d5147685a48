"""Owns what was applied for one incident: verify it, hold it, let it expire, put it back, newest first.

It is a child of its incident and outlives it: a terminated incident leaves an owner behind, which still knows
when the stack expires and still obeys people.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.notify import Notifying
    from activities.remediate import Remediating
    from signals.approvals import Answer, Approval, Verb
    from signals.decisions import OnExpiry
    from signals.errors import Refused
    from signals.incidents import WaitingFor
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

from workflows.approval import ApprovalGate
from workflows.commands import Commanded
from workflows.options import CHANGE, TELL


@workflow.defn
class RemediationWorkflow(Commanded):
    """The stack of one incident's applied actions, until nothing of it stands."""

    @workflow.init
    def __init__(self, given: RemediationInput) -> None:
        """Take over the stack."""
        self._given = given
        self._receipts = {receipt.action.id: receipt for receipt in given.stack.receipts}
        self._gate = ApprovalGate(given.liaison_key, used=given.used)
        self._extensions_left = given.extensions_left
        self._turn = asyncio.Lock()
        self._changed = False
        self._said: list[Approval] = []
        self._cancelled = False

    @workflow.run
    async def run(self, given: RemediationInput) -> Stack:
        """Live until nothing of the stack stands."""
        try:
            while self._standing:
                await self._next()
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.create_task(self._revert(Cause.CANCELLED)))
            raise
        await workflow.wait_condition(workflow.all_handlers_finished)
        return Stack(receipts=tuple(self._receipts.values()))

    async def _next(self) -> None:
        """Do the next thing that the stack needs."""
        await self._verify()
        wake = self._wake_at()
        left = None if wake is None else max(wake - workflow.now(), timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(
                self._called, timeout=left, timeout_summary="until the stack expires"
            )
        except TimeoutError:
            await (self._expire() if self._gate.waiting is None else self._silence())
            return
        if self._cancelled:
            self._cancelled = False
            await self._revert(Cause.CANCELLED)
        while self._said:
            await self._answer(self._said.pop(0))
        if self._changed:
            await self._hold()
        if workflow.info().is_continue_as_new_suggested() and self._standing and self._gate.waiting is None:
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(
                self._given.model_copy(
                    update={
                        "stack": self._request(),
                        "extensions_left": self._extensions_left,
                        "used": self._gate.used,
                    }
                )
            )

    def _called(self) -> bool:
        fresh = any(receipt.state is ActionState.APPLIED for receipt in self._standing)
        return fresh or self._changed or self._cancelled or bool(self._said) or not self._standing

    @property
    def _standing(self) -> tuple[Receipt, ...]:
        return tuple(
            sorted((r for r in self._receipts.values() if r.state.stands), key=lambda r: r.action.index)
        )

    def _request(self) -> StackRequest:
        stack = self._given.stack
        return StackRequest(incident=stack.incident, cluster=stack.cluster, receipts=self._standing)

    @property
    def _expires_at(self) -> datetime:
        """The stack's expiry is the latest of its actions': they were laid one upon the other."""
        return max(receipt.expires_at or workflow.now() for receipt in self._standing)

    def _wake_at(self) -> datetime | None:
        """Return when the clock needs us: early enough to ask where a person is asked; never for a drift."""
        if any(receipt.state is ActionState.DRIFTED for receipt in self._standing) or not self._standing:
            return None
        if self._gate.waiting is not None:
            return self._gate.waiting.deadline
        return self._expires_at - timedelta(seconds=self._given.approval_seconds if self._asks() else 0)

    def _asks(self) -> bool:
        return any(receipt.on_expiry is not OnExpiry.RELEASE for receipt in self._standing)

    async def _verify(self) -> None:
        if not any(receipt.state is ActionState.APPLIED for receipt in self._standing):
            return
        async with self._turn:
            done = await workflow.execute_activity_method(
                Remediating.verify_stack, self._request(), summary="does it work?", **CHANGE
            )
            self._take(done)
        await self._report(done.notes)
        if done.target_gone:
            await self._revert(Cause.TARGET_GONE)

    async def _hold(self) -> None:
        """Somebody changed the world around the stack: write what is missing, or say that it does not hold."""
        self._changed = False
        async with self._turn:
            done = await workflow.execute_activity_method(
                Remediating.hold_stack, self._request(), summary="hold it against drift", **CHANGE
            )
            self._take(done)
        await self._report(done.notes)
        if done.target_gone:
            await self._revert(Cause.TARGET_GONE)
        elif done.notes:
            await self._tell(PageKind.DRIFT, "; ".join(done.notes))

    async def _expire(self) -> None:
        """The time is up: release what may be released; of what asks, silence means that it stays."""
        if not self._asks():
            await self._tell(PageKind.EXPIRY, "the time is up: it is put back now")
            await self._revert(Cause.EXPIRED)
            return
        self._gate.ask(
            WaitingFor(
                kind="release the containment",
                plan_hash=self._standing[-1].plan_hash,
                deadline=max(self._expires_at, workflow.now() + timedelta(seconds=30)),
                roles=("oncall", "lead"),
                target_uids=tuple(sorted({t.uid for r in self._standing for t in r.action.targets if t.uid})),
            )
        )
        await self._report(("its time is nearly up: approve to release it",))
        await self._tell(PageKind.EXPIRY, "its time is nearly up: approve to release it; silence extends it")

    async def _silence(self) -> None:
        """Nobody said that it may end: it holds on, for a bounded number of times."""
        self._gate.withdraw()
        if self._extensions_left:
            self._extensions_left -= 1
            await self._extend(self._standing[-1].action.ttl_seconds, None)
            await self._tell(PageKind.EXPIRY, f"nobody answered: extended, {self._extensions_left} left")
        else:
            await self._revert(Cause.EXPIRED)
            await self._tell(PageKind.EXPIRY, "nobody answered any more: it was put back")

    async def _revert(self, cause: Cause, approval: Approval | None = None) -> Answer:
        """Put everything back, newest first; what somebody else changed stays, and is said."""
        async with self._turn:
            done = await workflow.execute_activity_method(
                Remediating.revert_stack,
                RevertRequest(stack=self._request(), cause=cause, approval=approval),
                summary=f"put back: {approval.actor if approval else cause}",
                **CHANGE,
            )
            self._take(done)
        left = [receipt for receipt in done.receipts if receipt.state.stands]
        answer = Answer(accepted=not left, message="; ".join(done.notes) or "everything was put back")
        await self._report(done.notes, {approval.id: answer} if approval else {})
        if left:
            await self._tell(PageKind.DRIFT, answer.message)
        return answer

    async def _extend(self, seconds: int, approval: Approval | None) -> Answer:
        async with self._turn:
            done = await workflow.execute_activity_method(
                Remediating.extend_stack,
                ExtendRequest(stack=self._request(), seconds=seconds, approval=approval),
                summary=f"let it stand {seconds // 60} min longer",
                **CHANGE,
            )
            self._take(done)
        answer = Answer(accepted=True, message="; ".join(done.notes) or "extended")
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

    async def _tell(self, kind: PageKind, text: str) -> None:
        stack = self._given.stack
        page = Page(
            incident=stack.incident,
            cluster=stack.cluster,
            kind=kind,
            severity=self._given.severity,
            title=self._given.title,
            text=text,
            dedup_key=f"{stack.incident}/{kind}/{workflow.now().isoformat()}",
            at=workflow.now(),
        )
        await workflow.execute_activity_method(
            Notifying.tell_people, page, summary=f"tell people: {kind}", **TELL
        )

    @workflow.signal(description="More actions were applied")
    def push(self, said: dict[str, Any]) -> None:
        """Put newly applied actions on the stack; what is known already stays as it is."""
        try:
            stack = StackRequest.model_validate(said)
        except ValidationError:
            workflow.logger.error("a push did not decode")
            return
        for receipt in stack.receipts:
            known = self._receipts.get(receipt.action.id)
            if known is None or not known.state.stands:
                self._receipts[receipt.action.id] = receipt

    @workflow.signal(description="What a person said, passed on by the incident")
    def command(self, said: dict[str, Any]) -> None:
        """Take in a command that the incident has checked."""
        try:
            self._said.append(Approval.model_validate(said))
        except ValidationError:
            workflow.logger.error("a command did not decode")

    @workflow.signal(description="Something around the stack was changed by somebody else")
    def changed(self, said: dict[str, Any]) -> None:
        """Look again, and hold what was applied."""
        self._changed = True

    @workflow.signal(description="The incident was cancelled")
    def cancelled(self, said: dict[str, Any]) -> None:
        """Put everything back."""
        self._cancelled = True

    @workflow.query(description="The stack of applied actions")
    def stack(self) -> Stack:
        """Return every action of this incident."""
        return Stack(receipts=tuple(self._receipts.values()))

    def refuse(self, approval: Approval) -> None:
        """Refuse what is not proved or asks about nothing."""
        self._gate.prove(approval)
        if approval.verb in (Verb.APPROVE, Verb.REJECT):
            self._gate.check(approval)
        elif not self._standing:
            raise Refused("nothing of this incident stands in the cluster")
        elif approval.verb is Verb.CLOSE and not (approval.undo or approval.keep):
            raise Refused("something still stands: close with --undo to put it back, or --keep to leave it")

    async def obey(self, approval: Approval) -> Answer:
        """Do what a person said to us directly, because the incident has ended."""
        return await self._answer(approval)

    async def _answer(self, approval: Approval) -> Answer:
        try:
            self.refuse(approval)
        except Refused as error:
            answer = Answer(accepted=False, message=str(error))
            await self._report(answers={approval.id: answer})
            return answer
        self._gate.obey(approval)
        if approval.verb is Verb.EXTEND:
            return await self._extend(approval.seconds or self._standing[-1].action.ttl_seconds, approval)
        if approval.verb is Verb.REJECT:
            return await self._extend(self._standing[-1].action.ttl_seconds, approval)
        if approval.verb is Verb.CLOSE and approval.keep:
            return Answer(accepted=True, message="it stands until it expires")
        return await self._revert(Cause.PERSON, approval)
