"""What an incident does when a person speaks."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.approvals import Answer, Approval, Verb
    from signals.casefile import CaseFile
    from signals.decisions import Decision
    from signals.errors import Refused
    from signals.incidents import WaitingFor
    from signals.matters import LOOK_AGAIN, stack_digest
    from signals.receipts import ActionState
    from signals.requests import Disposition, FalseAlarm, Heard, Outcome

from workflows.approval import ApprovalGate
from workflows.commands import Commanded
from workflows.handover import StackOwner

_ANSWERS = (Verb.APPROVE, Verb.REJECT)


class Obeying(Commanded):
    """The half of an incident that listens to people."""

    _file: CaseFile
    _gate: ApprovalGate
    _stack: StackOwner
    _writing: asyncio.Lock
    _asked_below: WaitingFor | None
    """A question that the owner of the stack asks."""
    _answers: dict[str, Answer]
    _closing: str

    async def _act(self, decision: Decision, approval: Approval | None = None) -> Outcome:
        raise NotImplementedError

    def _publish(self) -> None:
        raise NotImplementedError

    def refuse(self, approval: Approval) -> None:
        """Refuse what is not proved, comes too late, or would leave something standing unseen."""
        self._gate.prove(approval)
        standing = self._file.unfinished or self._writing.locked()
        if approval.verb in _ANSWERS:
            if self._asked_below is None or self._gate.waiting is not None:
                self._gate.check(approval)
        elif approval.verb in (Verb.UNDO, Verb.EXTEND) and not standing:
            raise Refused("nothing of this incident stands in the cluster")
        elif approval.plan_hash not in ("", stack_digest(self._file.receipts.values())):
            raise Refused(LOOK_AGAIN)
        elif approval.verb is Verb.CLOSE and standing and not (approval.undo or approval.keep):
            raise Refused("something still stands: close with --undo to put it back, or --keep to leave it")

    async def overhear(self, heard: Heard) -> None:
        """Put it on the timeline, and show who has said yes so far."""
        self._gate.hear(heard)
        said, below = heard.approval, self._asked_below
        if heard.counts and below is not None and said.plan_hash == below.plan_hash:
            yes = dict.fromkeys((*below.approved, said.person or said.actor))
            self._asked_below = below.model_copy(update={"approved": tuple(yes)})
        self._file.note(workflow.now(), f"{said.actor} said: {said.verb}", heard.note)
        self._publish()

    async def obey(self, approval: Approval) -> Answer:
        """Do what a person said."""
        staged = self._file.staged
        answers_us = self._gate.waiting is not None and approval.verb in _ANSWERS
        self._gate.obey(approval)
        why = f"{approval.by}: {approval.reason}" if approval.reason else approval.by
        self._file.note(workflow.now(), f"a person said: {approval.verb}", why)
        if approval.verb is Verb.REJECT and answers_us:
            self._file.settle(ActionState.REFUSED, f"rejected by {why}")
            answer = Answer(accepted=True, message="rejected: nothing is written")
        elif approval.verb is Verb.APPROVE and answers_us and staged:
            answer = await self._approved(staged, approval)
        elif approval.verb is Verb.CLOSE:
            answer = await self._close(approval, why)
        else:
            answer = await self._pass_down(approval)
        self._file.note(workflow.now(), "answered", answer.message)
        self._publish()
        return answer

    async def _approved(self, staged: Decision, approval: Approval) -> Answer:
        asked = [a for a in staged.actions if a.id not in self._file.receipts or self._file.waits(a.id)]
        outcome = await self._act(staged, approval)
        await self._stack.hand_over(self._file)
        done = outcome.disposition is Disposition.APPLIED
        what = "; ".join(action.summary for action in asked)
        return Answer(accepted=done, message=outcome.reason or f"{outcome.disposition}: {what}")

    async def _close(self, approval: Approval, why: str) -> Answer:
        if (self._file.unfinished or self._writing.locked()) and not approval.keep:
            answer = await self._pass_down(approval)
            if not answer.accepted:
                return answer
        self._gate.withdraw()
        self._file.settle(ActionState.REFUSED, f"closed by {why}")
        self._closing = f"closed by {why}" + (f"; it was {approval.verdict}" if approval.verdict else "")
        self._file.verdict = approval.verdict
        return Answer(accepted=True, message="closed")

    async def _pass_down(self, approval: Approval) -> Answer:
        """Let the owner of the stack do it, after whatever is being written now."""
        async with self._writing:
            await self._stack.hand_over(self._file)
        if approval.verb in (Verb.UNDO, Verb.STAND_DOWN):
            self._cry_wolf()
            self._file.stood_down |= approval.verb is Verb.STAND_DOWN
        if not self._file.unfinished:
            return Answer(accepted=True, message="nothing stands; nothing more will be written here")
        await self._stack.command(self._file, approval)
        await workflow.wait_condition(lambda: approval.id in self._answers or not self._file.unfinished)
        nothing = Answer(accepted=approval.verb is not Verb.EXTEND, message="nothing stands any more")
        return self._answers.pop(approval.id, nothing)

    def _cry_wolf(self) -> None:
        """Hold the same suspicion about the same subject at Tier 1 for a while: a person undid it."""
        until = workflow.now() + timedelta(seconds=self._file.given.false_alarm_seconds)
        suspicions = sorted({(event.subject.key, event.detector) for event in self._file.events.values()})
        self._file.false_alarms += [
            FalseAlarm(subject=subject, detector=detector, until=until) for subject, detector in suspicions
        ]
