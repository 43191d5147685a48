"""What an incident does with a decision: have it written, or ask a person first.

Whatever the executor answers, the incident lives on: what could not be written is a receipt that says why.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.remediate import Remediating
    from signals import story
    from signals.approvals import Approval
    from signals.decisions import Decision, Inverse
    from signals.incidents import WaitingFor
    from signals.pages import PageKind
    from signals.plans import ActionPlan, Plan
    from signals.receipts import ActionState, Receipt
    from signals.requests import ApplyRequest, Disposition, Outcome

from workflows.approval import ApprovalGate
from workflows.following import Following
from workflows.options import CHANGE, LATE


class Acting(Following):
    """The half of an incident that writes, through the executor."""

    _gate: ApprovalGate
    _writing: asyncio.Lock
    _asking: "asyncio.Task[None] | None" = None
    """Waits for a person. Not in the way of a new run, which begins it anew until the same deadline."""

    async def _act(self, decision: Decision, approval: Approval | None = None) -> Outcome:
        """Write the decision, or stage it. A cancel does not interrupt this: what is written is known."""
        writing = asyncio.create_task(self._write(decision, approval))
        self._beside(self._say_if_late(writing))
        return await asyncio.shield(writing)

    async def _write(self, decision: Decision, approval: Approval | None) -> Outcome:
        async with self._writing:
            summary = "; ".join(action.summary for action in decision.actions)[:180]
            activity = Remediating.apply_plan if decision.execute or approval else Remediating.stage_plan
            try:
                outcome: Outcome = await workflow.execute_activity_method(
                    activity, ApplyRequest(decision=decision, approval=approval), summary=summary, **CHANGE
                )
            except ActivityError as error:
                outcome = _failed(decision, str(error.cause or error))
            self._gate.withdraw()
            self._file.replan(decision.actions)
            self._file.acted(outcome)
            self._file.note(workflow.now(), f"{outcome.disposition}: {summary}", outcome.reason)
            if outcome.staged is not None or outcome.disposition is Disposition.STAGED:
                self._stage(decision, outcome)
            elif self._file.due_and_stopped:
                self._rejudge = True  # it waits for a person, and is not asked about
            return outcome

    async def _say_if_late(self, writing: "asyncio.Task[Outcome]") -> None:
        """Tell people of an incident that the executor keeps waiting: they would not hear of it otherwise."""
        try:
            await workflow.wait_condition(
                writing.done, timeout=LATE, timeout_summary="the executor should have answered by then"
            )
        except TimeoutError:
            text = "decided, and the executor has not answered yet: nothing may be written so far"
            self._file.note(workflow.now(), text)
            self._publish()
            await self._tell(story.note(self._incident(), PageKind.PAGE, text, workflow.now()))

    def _stage(self, decision: Decision, outcome: Outcome) -> None:
        """Ask a person, bound to this plan and these targets."""
        self._file.staged = decision
        plan = outcome.staged or outcome.plan
        uids = {target.uid for one in plan.actions for target in one.action.targets if target.uid}
        self._gate.ask(
            WaitingFor(
                kind="approve the plan",
                plan_hash=plan.hash,
                deadline=workflow.now() + timedelta(seconds=self._file.given.approval_seconds),
                roles=outcome.roles,
                target_uids=tuple(sorted(uids)),
                group=outcome.group,
                people=outcome.people,
            )
        )
        self._asking = asyncio.create_task(self._outwait())

    async def _outwait(self) -> None:
        """Silence means no."""
        asked = self._gate.waiting
        if asked and await self._gate.silence("approval deadline: silence means no"):
            self._gate.withdraw()
            self._file.settle(ActionState.REFUSED, "nobody answered in time: silence means no")
            self._file.note(workflow.now(), "nobody answered in time", "silence means no")
            self._publish()
            page = story.unanswered(self._incident(), asked, workflow.now())
            self._beside(self._tell(page))


def _failed(decision: Decision, reason: str) -> Outcome:
    """Return what came of a decision that the executor would not look at."""
    plans = [
        ActionPlan(action=action, writes=(), inverse=Inverse.EXACT, summary=action.summary)
        for action in decision.actions
    ]
    return Outcome(
        disposition=Disposition.FAILED,
        plan=Plan(incident=decision.incident, policy_digest=decision.policy_digest, actions=tuple(plans)),
        receipts=tuple(
            Receipt(
                action=plan.action,
                incident=decision.incident,
                cluster=decision.cluster,
                plan=plan,
                plan_hash="",
                state=ActionState.FAILED,
                reason=reason,
            )
            for plan in plans
        ),
        reason=reason,
    )
