"""From a signed decision to what came of it: planned, judged again, dry-run, put on record, written.

Each action is judged by itself. What may be written is written; what waits for a person is told under a hash of
its own; what was decided before and is not begun yet may be stopped here, for a person to decide.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from activities import writing
from activities.applying import UNBEGUN, Applying
from activities.authority import Authority
from activities.consent import Consents
from activities.doubting import Doubting
from activities.orders import Orders
from activities.ports import Cluster
from activities.records import Records
from activities.ruling import LEAD, WRITE, Ruling, Rulings, asked, dried, overall, part
from signals.approvals import Approval
from signals.decisions import Decision, Inverse
from signals.errors import Refused
from signals.plans import ActionPlan, DryRun, Plan
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.requests import ApplyRequest, Disposition, Outcome

_STATES = {
    Disposition.STAGED: ActionState.STAGED,
    Disposition.SHADOW: ActionState.SHADOW,
    Disposition.REFUSED: ActionState.REFUSED,
    Disposition.POSTPONED: ActionState.POSTPONED,
    Disposition.FAILED: ActionState.FAILED,
}


class Carrying:
    """Carries decisions out."""

    def __init__(
        self,
        applying: Applying,
        authority: Authority,
        cluster: Cluster,
        records: Records,
        policy: Policy,
        doubting: Doubting,
        orders: Orders,
        consents: Consents | None = None,
    ) -> None:
        """Write through `applying` what `authority` allows."""
        self._applying = applying
        self._authority = authority
        self._cluster = cluster
        self._records = records
        self._policy = policy
        self._doubting = doubting
        self._orders = orders
        self._consents = consents

    async def out(self, request: ApplyRequest, *, write: bool) -> Outcome:
        """Carry a decision out; or stop after the dry run, for a person to decide.

        Raises:
            Refused: the decision is not signed by the orchestrator, or about another cluster.
            Unavailable: a server did not answer; try again.
        """
        decision = request.decision
        self._authority.prove(decision)
        if self._consents:
            await self._consents.keep(request.approval)
        recorded = await self._applying.recorded(decision)
        try:
            plan = await self._applying.plan(decision, recorded, self._policy.digest)
        except Refused as error:
            return self._unplanned(decision, str(error))
        (plan, rulings, begun), _ = await asyncio.gather(
            self._ruled(decision, plan, recorded, request.approval), self._orders.refresh(self._cluster)
        )
        fresh = {one: ruling for one, ruling in rulings.items() if one not in begun}
        if write:
            fresh = self._orders.postponed(fresh)
            fresh = await self._doubting.unless_replayed(decision, plan, fresh, request.approval)
        else:
            fresh = {one: _stopped(ruling, decision.why_not) for one, ruling in fresh.items()}
        rulings = {**rulings, **fresh}
        recorded = await self._withdrawn(recorded, rulings)
        outcome = await self._outcome(decision, plan, rulings, recorded, request.approval)
        if any(one.halted or one.state is ActionState.POSTPONED for one in outcome.receipts):
            await self._orders.postpone(decision.incident)
        groups = [ruling.group for ruling in rulings.values()] + [known.group for known in recorded.values()]
        return outcome.model_copy(update={"group": next(filter(None, groups), "")})

    async def _ruled(
        self, decision: Decision, plan: Plan, recorded: Mapping[str, Receipt], approval: Approval | None
    ) -> tuple[Plan, dict[str, Ruling], set[str]]:
        """Return the plan with the answers to a dry run, what may be done with each action, and which are begun.

        What was begun and not verified yet is judged too: an attempt may have died between record and write.
        """
        fresh = part(plan, (one for one in plan.actions if _unsettled(recorded.get(one.action.id))))
        rulings, answers = await asyncio.gather(
            self._authority.rule(decision, fresh, approval), writing.dry_runs(self._cluster, fresh)
        )
        told: tuple[DryRun, ...] = tuple(answer for one in fresh.actions for answer in answers[one.action.id])
        plan = plan.model_copy(update={"dry_run": told})
        begun = {one for one, ruling in rulings.items() if _begun(recorded.get(one), ruling)}
        return plan, {**dried(fresh, rulings, answers), **dict.fromkeys(begun, WRITE)}, begun

    async def _withdrawn(self, recorded: Mapping[str, Receipt], rulings: Rulings) -> dict[str, Receipt]:
        """Stop what is on record, not written, and may not be written any more; return what is on record now."""
        latest = dict(recorded)
        for one, known in recorded.items():
            ruling = rulings.get(one)
            if ruling is None or ruling.may_be_written:
                continue
            stopped = known.model_copy(
                update={
                    "state": _STATES[ruling.disposition], "reason": ruling.reason, "approved_by": None,
                }
            )  # fmt: skip
            if known.state in UNBEGUN:
                latest[one] = await self._records.move(stopped, before=UNBEGUN)
            elif not await writing.stands(self._cluster, known.plan):
                await writing.revert(self._cluster, known.plan, force=True)
                latest[one] = await self._records.move(stopped, before={ActionState.APPLIED})
        return latest

    async def _outcome(
        self,
        decision: Decision,
        plan: Plan,
        rulings: dict[str, Ruling],
        recorded: Mapping[str, Receipt],
        approval: Approval | None,
    ) -> Outcome:
        """Write what may be written, and tell what came of everything."""
        alone = {one for one, ruling in rulings.items() if ruling.may_be_written}
        settled = {one for one, known in recorded.items() if known.state not in UNBEGUN}
        chosen = plan.model_copy(
            update={"actions": tuple(one for one in plan.actions if one.action.id in alone | settled)}
        )
        by = approval.by if approval else ""
        approvals = {one: by for one in alone if by and rulings[one].approved}
        written = await self._applying.write(decision, chosen, recorded, approvals, self._authority.again)
        known = {receipt.action.id: receipt for receipt in written}
        receipts = tuple(
            known.get(one.action.id) or self._unwritten(decision, plan, one, rulings[one.action.id])
            for one in plan.actions
        )
        return self._authority.asking(decision, _told(plan, rulings, receipts))

    def _unwritten(self, decision: Decision, plan: Plan, one: ActionPlan, ruling: Ruling) -> Receipt:
        return Receipt(
            action=one.action,
            incident=decision.incident,
            cluster=decision.cluster,
            plan=one,
            plan_hash=plan.hash,
            state=_STATES[ruling.disposition],
            reason=ruling.reason,
            tier=decision.tier,
            implicated=decision.implicated,
        )

    def _unplanned(self, decision: Decision, reason: str) -> Outcome:
        """Return what the API server would not even let us look at."""
        actions = tuple(
            ActionPlan(action=action, writes=(), inverse=Inverse.NONE, summary=action.summary, blocked=reason)
            for action in decision.actions
        )
        plan = Plan(incident=decision.incident, policy_digest=self._policy.digest, actions=actions)
        no = Ruling(disposition=Disposition.FAILED, reason=reason)
        receipts = tuple(self._unwritten(decision, plan, one, no) for one in actions)
        return Outcome(disposition=no.disposition, plan=plan, receipts=receipts, reason=reason)


def _unsettled(known: Receipt | None) -> bool:
    if known is None or known.state in UNBEGUN:
        return True
    return known.state is ActionState.APPLIED and not known.action.deferred


def _begun(known: Receipt | None, ruling: Ruling) -> bool:
    """Return whether an action is finished as it was begun: only the cluster can forbid that, no request can.

    What a person approved and whose turn comes is not taken back by a new judgement of the same either.
    Else whoever keeps a signed decision has it staged, replayed or told without its approval, to have what
    stands put back as soon as a part of it is missing.
    """
    if known is None or known.state not in (ActionState.APPLIED, ActionState.DUE):
        return False
    approved = bool(known.approved_by) and ruling.disposition is Disposition.STAGED
    return approved or (ruling.may_be_written and known.state is ActionState.APPLIED)


def _stopped(ruling: Ruling, why: str) -> Ruling:
    """Return the ruling where nothing is to be written yet: what could be is staged."""
    return replace(ruling, disposition=Disposition.STAGED, reason=why) if ruling.may_be_written else ruling


def _told(plan: Plan, rulings: dict[str, Ruling], receipts: tuple[Receipt, ...]) -> Outcome:
    """Return the outcome: a disposition for the whole, and what waits for a person beside it."""
    by_id = {receipt.action.id: receipt for receipt in receipts}
    for one, receipt in by_id.items():
        if receipt.state is ActionState.FAILED:
            rulings[one] = Ruling(disposition=Disposition.FAILED, reason=receipt.reason)
    every = {
        one.action.id: rulings.get(one.action.id) or Ruling(disposition=Disposition.APPLIED)
        for one in plan.actions
    }
    whole = overall(plan, every)
    waiting = asked(plan, every)
    roles = [every[one.action.id].roles for one in waiting.actions]
    return Outcome(
        disposition=whole.disposition,
        plan=plan,
        receipts=receipts,
        reason=whole.reason,
        roles=LEAD if LEAD in roles else whole.roles,
        staged=waiting if waiting.actions and len(waiting.actions) < len(plan.actions) else None,
    )
