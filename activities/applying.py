"""Plans a decision against the live API, and writes it once.

An attempt may be cut off at any instruction and another may run beside it. Both find the same records: every plan
of a decision is on record before its first write, and every write is idempotent. So a retry writes what is
missing, never twice, and the undo is known before there is anything to undo.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from activities import writing
from activities.action import Action, CaseRef
from activities.foresight import Foreseen
from activities.orders import Stopped
from activities.overtaking import unless_overtaken
from activities.phases import every
from activities.ports import Cluster
from activities.records import Records
from activities.ruling import Ruling
from signals.decisions import Decision, PlannedAction
from signals.errors import Conflict, NotFound, Refused, Unavailable
from signals.plans import ActionPlan, Plan, Write
from signals.receipts import ActionState, Receipt

UNBEGUN = frozenset({ActionState.DUE, ActionState.STAGED})
"""On record, and nothing of it was ever written."""
REPLANS = 5
"""How often a plan is made anew because somebody changed the cluster under it."""


class Applying:
    """From a decision to what stands in the cluster."""

    def __init__(
        self, actions: Mapping[str, Action], cluster: Cluster, records: Records, now: Callable[[], datetime]
    ) -> None:
        """Know these actions, write to this cluster, put everything on record first."""
        self._actions = actions
        self._cluster = cluster
        self._records = records
        self._now = now

    async def recorded(self, decision: Decision) -> dict[str, Receipt]:
        """Return what is on record about the actions of a decision."""
        found = await every(self._records.find(action.id) for action in decision.actions)
        return {receipt.action.id: receipt for receipt in found if receipt is not None}

    async def plan(self, decision: Decision, recorded: Mapping[str, Receipt], policy_digest: str) -> Plan:
        """Plan against the live API; what is on record is never planned again, unless it was never begun.

        Raises:
            Refused: there is no such action.
            Unavailable: the API server did not let us look.
        """
        for action in decision.actions:
            if action.type not in self._actions:
                raise Refused(f"there is no action {action.type!r}")
        begun = {known.action.id: known.plan for known in recorded.values() if _fixed(known)}
        at_once, later = await asyncio.gather(
            self._plan_at_once(decision, begun),
            every(
                self._plan_later(decision, action)
                for action in decision.actions
                if action.deferred and action.id not in begun
            ),
        )
        planned = {**begun, **at_once, **{one.action.id: one for one in later}}
        actions = tuple(planned[action.id] for action in decision.actions)
        plan = Plan(incident=decision.incident, policy_digest=policy_digest, actions=actions)
        return plan.model_copy(update={"hash": plan.digest()})

    async def _plan_at_once(
        self, decision: Decision, begun: Mapping[str, ActionPlan]
    ) -> dict[str, ActionPlan]:
        """Plan each action on top of those that are planned and not written yet."""
        planned: dict[str, ActionPlan] = {}
        below: list[Write] = []
        for action in decision.actions:
            if action.deferred:
                continue
            known = begun.get(action.id)
            planned[action.id] = known or await self._plan_one(decision, action, below)
            below += planned[action.id].writes
        return planned

    async def _plan_later(self, decision: Decision, action: PlannedAction) -> ActionPlan:
        """Plan what is written in its turn; where that cannot be known now it is planned then."""
        try:
            return await self._plan_one(decision, action, ())
        except (Unavailable, Refused) as error:
            return ActionPlan(
                action=action,
                writes=(),
                inverse=self._actions[action.type].inverse,
                summary=action.summary,
                residual=(f"could not be planned yet: {error}",),
            )

    async def _plan_one(
        self, decision: Decision, action: PlannedAction, below: Sequence[Write]
    ) -> ActionPlan:
        kind = self._actions[action.type]
        if kind.deferred != action.deferred:
            action = action.model_copy(update={"deferred": kind.deferred})
        expires_at = decision.decided_at + timedelta(seconds=action.ttl_seconds)
        case = CaseRef(
            incident=decision.incident, expires_at=expires_at, tier=decision.tier, reason=decision.title
        )
        return await kind.plan(Foreseen(self._cluster, below), action, case)

    async def write(
        self,
        decision: Decision,
        plan: Plan,
        recorded: Mapping[str, Receipt],
        approvals: Mapping[str, str],
        may: Callable[[Receipt, ActionPlan], Awaitable[Ruling]],
    ) -> tuple[Receipt, ...]:
        """Put all of a plan on record, then write what is written at once. What was put back stays put back.

        `approvals` says who approved which action; `may` judges a plan that has to be made anew.

        Raises:
            Unavailable: the API server did not answer, or the cluster changes too quickly; try again.
        """
        receipts = await every(
            self._on_record(self._new(decision, plan, one, approvals.get(one.action.id)), recorded)
            for one in plan.actions
        )
        return tuple([await self._written(decision, receipt, may) for receipt in receipts])

    def _new(self, decision: Decision, plan: Plan, planned: ActionPlan, approved_by: str | None) -> Receipt:
        return Receipt(
            action=planned.action,
            incident=decision.incident,
            cluster=decision.cluster,
            plan=planned,
            plan_hash=plan.hash,
            state=ActionState.DUE if planned.action.deferred else ActionState.APPLIED,
            applied_at=None if planned.action.deferred else self._now(),
            expires_at=decision.decided_at + timedelta(seconds=planned.action.ttl_seconds),
            approved_by=approved_by,
            tier=decision.tier,
            implicated=decision.implicated,
            trace=decision.trace,
        )

    async def _on_record(self, receipt: Receipt, recorded: Mapping[str, Receipt]) -> Receipt:
        """Put an action on record once; one that was only staged there, or is due, is taken as it is now."""
        known = recorded.get(receipt.action.id)
        if known is None:
            known = await self._records.remember(receipt)
        if known.state in UNBEGUN and known != receipt:
            return await self._records.move(receipt, before=UNBEGUN)
        return known

    async def _written(
        self, decision: Decision, receipt: Receipt, may: Callable[[Receipt, ActionPlan], Awaitable[Ruling]]
    ) -> Receipt:
        """Write one action; where somebody changed the cluster under its plan, take it back and plan anew."""
        for _ in range(REPLANS):
            if not receipt.state.stands or receipt.action.deferred:
                return receipt
            try:
                await writing.apply(self._cluster, receipt.plan)
            except Stopped as error:
                return await self._halted(receipt, str(error))
            except (Conflict, NotFound) as error:
                receipt = await self._replanned(decision, receipt, str(error), may)
            else:
                return await unless_overtaken(self._cluster, self._records, receipt)
        raise Unavailable(f"the cluster changes faster than {receipt.action.summary} can be planned")

    async def _halted(self, receipt: Receipt, why: str) -> Receipt:
        """Put on record that a stop came in the middle: what is written stands, the rest waits for the resume."""
        halted = {"state": ActionState.INEFFECTIVE, "reason": why, "halted": True}
        return await self._records.store(receipt.model_copy(update=halted))

    async def _replanned(
        self,
        decision: Decision,
        receipt: Receipt,
        why: str,
        may: Callable[[Receipt, ActionPlan], Awaitable[Ruling]],
    ) -> Receipt:
        """Return what to write instead. A person's approval is for one plan: that one fails and is asked again."""
        latest = await self._records.find(receipt.action.id)
        if latest is not None and latest.plan != receipt.plan:
            return latest
        await writing.revert(self._cluster, receipt.plan, force=True)
        if receipt.approved_by:
            reason = f"the cluster changed while this was written, and it was taken back: {why}"
            failed = receipt.model_copy(update={"state": ActionState.FAILED, "reason": reason})
            return await self._records.replace(receipt, failed)
        plan = await self._plan_one(decision, receipt.action, ())
        ruling = await may(receipt, plan)
        if ruling.may_be_written:
            return await self._records.replace(receipt, receipt.model_copy(update={"plan": plan}))
        reason = f"planned anew, and not written: {ruling.reason}"
        failed = receipt.model_copy(update={"plan": plan, "state": ActionState.FAILED, "reason": reason})
        return await self._records.replace(receipt, failed)


def _fixed(known: Receipt) -> bool:
    """Return whether the plan on record stays: it was begun, or a person approved it as it is."""
    return known.state not in UNBEGUN or bool(known.approved_by)
