"""Plans a decision against the live API, and writes it once.

An attempt may be cut off at any instruction and another may run beside it. Both find the same records: every plan
of a decision is on record before its first write, and every write is idempotent. So a retry writes what is
missing, never twice, and the undo is known before there is anything to undo.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from activities import writing
from activities.action import Action, CaseRef
from activities.foresight import Foreseen
from activities.overtaking import unless_overtaken
from activities.ports import Cluster
from activities.records import Records
from signals.decisions import Decision, PlannedAction
from signals.errors import Conflict, NotFound, Refused, Unavailable
from signals.plans import ActionPlan, Plan, Write
from signals.receipts import ActionState, Receipt

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
        found = [await self._records.find(action.id) for action in decision.actions]
        return {receipt.action.id: receipt for receipt in found if receipt is not None}

    async def plan(self, decision: Decision, recorded: Mapping[str, Receipt], policy_digest: str) -> Plan:
        """Plan against the live API; what is on record is never planned again.

        Raises:
            Refused: there is no such action.
            Unavailable: the API server did not let us look.
        """
        planned: list[ActionPlan] = []
        for action in decision.actions:
            known = recorded.get(action.id)
            below = [write for plan in planned for write in plan.writes]
            planned.append(known.plan if known else await self._plan_one(decision, action, below))
        plan = Plan(incident=decision.incident, policy_digest=policy_digest, actions=tuple(planned))
        return plan.model_copy(update={"hash": plan.digest()})

    async def _plan_one(
        self, decision: Decision, action: PlannedAction, below: Sequence[Write]
    ) -> ActionPlan:
        """Plan one action on top of those that are planned and not written yet."""
        kind = self._actions.get(action.type)
        if kind is None:
            raise Refused(f"there is no action {action.type!r}")
        expires_at = decision.decided_at + timedelta(seconds=action.ttl_seconds)
        case = CaseRef(
            incident=decision.incident, expires_at=expires_at, tier=decision.tier, reason=decision.title
        )
        return await kind.plan(Foreseen(self._cluster, below), action, case)

    async def write(
        self, decision: Decision, plan: Plan, recorded: Mapping[str, Receipt], approved_by: str | None
    ) -> tuple[Receipt, ...]:
        """Put all of a plan on record, then write it. What was put back meanwhile stays put back.

        Raises:
            Unavailable: the API server did not answer, or the cluster changes too quickly; try again.
        """
        receipts = [
            recorded.get(planned.action.id) or await self._remember(decision, plan, planned, approved_by)
            for planned in plan.actions
        ]
        return tuple([await self._written(decision, receipt) for receipt in receipts])

    async def _remember(
        self, decision: Decision, plan: Plan, planned: ActionPlan, approved_by: str | None
    ) -> Receipt:
        return await self._records.remember(
            Receipt(
                action=planned.action,
                incident=decision.incident,
                cluster=decision.cluster,
                plan=planned,
                plan_hash=plan.hash,
                state=ActionState.APPLIED,
                applied_at=self._now(),
                expires_at=decision.decided_at + timedelta(seconds=planned.action.ttl_seconds),
                approved_by=approved_by,
                trace=decision.trace,
            )
        )

    async def _written(self, decision: Decision, receipt: Receipt) -> Receipt:
        """Write one action; where somebody changed the cluster under its plan, take it back and plan anew."""
        for _ in range(REPLANS):
            if not receipt.state.stands:
                return receipt
            try:
                await writing.apply(self._cluster, receipt.plan)
            except (Conflict, NotFound) as error:
                receipt = await self._replanned(decision, receipt, str(error))
            else:
                return await unless_overtaken(self._cluster, self._records, receipt)
        raise Unavailable(f"the cluster changes faster than {receipt.action.summary} can be planned")

    async def _replanned(self, decision: Decision, receipt: Receipt, why: str) -> Receipt:
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
        state = ActionState.FAILED if plan.blocked else ActionState.APPLIED
        return await self._records.replace(
            receipt, receipt.model_copy(update={"plan": plan, "state": state, "reason": plan.blocked})
        )
