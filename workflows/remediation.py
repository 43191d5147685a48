"""Owns what was applied for one incident: verify it, hold it, let it expire, put it back, newest first.

It is a child of its incident and outlives it: a terminated incident leaves an owner behind, which still knows
when the stack expires and still obeys people.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from signals.approvals import Answer, Approval, Verb
    from signals.errors import Refused
    from signals.matters import LOOK_AGAIN, stack_digest
    from signals.pages import PageKind
    from signals.receipts import ActionState
    from signals.requests import (
        Cause,
        Heard,
        RemediationInput,
        Stack,
        StackRequest,
    )
    from signals.threats import Severity

from workflows.approval import ApprovalGate
from workflows.commands import Commanded
from workflows.expiring import Expiring
from workflows.hearing import heard
from workflows.options import LETS_STAND
from workflows.turning import Turning

_BEFORE = frozenset({ActionState.DUE, ActionState.STAGED})
"""States of an action whose turn may yet come."""


@workflow.defn
class RemediationWorkflow(Turning, Expiring, Commanded):
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
        self._trouble = ""
        self._not_before = workflow.now()
        self._tries: dict[str, int] = {}
        self._warned: datetime | None = None
        self._aside: set[asyncio.Task[None]] = set()

    @workflow.run
    async def run(self, given: RemediationInput) -> Stack:
        """Live until nothing of the stack stands."""
        try:
            if given.adopted:
                self._tell(PageKind.DRIFT, "nobody owned this containment any more: it was adopted")
            while not await self._over():
                await self._next()
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                told = self._let_stand() if workflow.patched(LETS_STAND) else self._revert_cancelled()
                await asyncio.shield(asyncio.create_task(told))
            raise
        return Stack(receipts=tuple(self._receipts.values()))

    async def _let_stand(self) -> None:
        """A cancel is nobody's word: what stands stays, its next owner takes it over, and people are told."""
        text = "its owner was cancelled in Temporal: nothing is put back by that; undo or stand-down does it"
        await self._report((text,))
        await self._told(PageKind.DRIFT, text)

    async def _revert_cancelled(self) -> None:
        """How a cancel was before it needed a person's word; the executor refuses it now."""
        await self._revert(Cause.CANCELLED)

    async def _over(self) -> bool:
        """Return whether nothing stands, nobody is waited for, and nothing was pushed meanwhile."""
        if self._unfinished:
            return False
        await workflow.wait_condition(
            lambda: bool(self._unfinished) or (not self._aside and workflow.all_handlers_finished())
        )
        return not self._unfinished

    async def _next(self) -> None:
        """Do the next thing that the stack needs."""
        await self._verify()
        self._begin_turns()
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
        if self._evicted:
            self._evicted = False
            await self._revert(Cause.TARGET_GONE)
        if self._changed:
            await self._hold()
        if self._crowded():
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self._crowded():
                workflow.continue_as_new(
                    self._given.model_copy(
                        update={
                            "stack": self._request(),
                            "adopted": False,
                            "extensions_left": self._extensions_left,
                            "used": self._gate.used,
                        }
                    )
                )

    def _crowded(self) -> bool:
        """Return whether to go on in a new run: this one is long, and nothing is asked, said or in flight."""
        return (
            workflow.info().is_continue_as_new_suggested()
            and self._gate.waiting is None
            and not self._aside
            and not self._taking_turns
            and not self._called()
        )

    def _called(self) -> bool:
        fresh = any(receipt.state is ActionState.APPLIED for receipt in self._standing)
        untaken = bool(self._due) and not self._taking_turns
        spoken = self._changed or self._cancelled or bool(self._said)
        return fresh or untaken or spoken or self._evicted or not self._unfinished

    @workflow.signal(description="More actions were applied")
    def push(self, *said: Any) -> None:
        """Put newly applied actions on the stack; what is known already stays as it is."""
        try:
            stack = StackRequest.model_validate(heard(said))
        except ValidationError:
            workflow.logger.error("a push did not decode")
            return
        for receipt in stack.receipts:
            known = self._receipts.get(receipt.action.id)
            over = known is not None and receipt.state is ActionState.DUE and known.state not in _BEFORE
            if not over and (known is None or not known.state.stands):
                self._receipts[receipt.action.id] = receipt

    @workflow.signal(description="What a person said, passed on by the incident")
    def command(self, *said: Any) -> None:
        """Take in a command that the incident has checked."""
        try:
            self._said.append(Approval.model_validate(heard(said)))
        except ValidationError:
            workflow.logger.error("a command did not decode")

    @workflow.signal(description="Something around the stack was changed by somebody else")
    def changed(self, *said: Any) -> None:
        """Look again, and hold what was applied."""
        self._changed = True

    @workflow.signal(description="The executor holds on what nobody answers for")
    def unanswered(self, *said: Any) -> None:
        """Page it: the executor itself has no way to people."""
        self._tell(PageKind.PAGE, str(heard(said))[:200], Severity.CRITICAL)

    @workflow.signal(description="The incident was cancelled")
    def cancelled(self, *said: Any) -> None:
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
        elif not self._unfinished:
            raise Refused("nothing of this incident stands in the cluster")
        elif approval.plan_hash not in ("", stack_digest(self._receipts.values())):
            raise Refused(LOOK_AGAIN)
        elif approval.verb is Verb.CLOSE and not (approval.undo or approval.keep):
            raise Refused("something still stands: close with --undo to put it back, or --keep to leave it")

    async def overhear(self, heard: Heard) -> None:
        """Tell the incident, if it is still there, and show who has said yes so far."""
        self._gate.hear(heard)
        await self._report((f"{heard.approval.actor} said {heard.approval.verb}: {heard.note}",))

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
            return await self._extend(approval.seconds or self._unfinished[-1].action.ttl_seconds, approval)
        if approval.verb is Verb.REJECT:
            return await self._extend(self._standing[-1].action.ttl_seconds, approval)
        if approval.verb is Verb.CLOSE and approval.keep:
            return Answer(accepted=True, message="it stands until it expires")
        return await self._revert(Cause.PERSON, approval)
