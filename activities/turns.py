"""Carries out what is due: one deferred action of a stack, when its turn has come.

What was decided minutes ago is looked at again at this instant: the plan is made anew (unless a person approved
it as it is), ruled on and dry-run. From then on it may be cut off anywhere and run again. That it fails is a
result on its record; what comes after it goes on.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from activities import writing
from activities.action import Action, CaseRef, Performed
from activities.applying import UNBEGUN
from activities.authority import Authority
from activities.caps import Caps
from activities.gated import Gated
from activities.orders import Orders
from activities.ports import Cluster
from activities.records import Records
from activities.upkeep import Upkeep
from signals.errors import BadInput, Conflict, NotFound, Refused, Unavailable
from signals.plans import ActionPlan, Plan
from signals.receipts import ActionState, Receipt
from signals.requests import Disposition

_STOPPED = {
    Disposition.STAGED: ActionState.STAGED,
    Disposition.SHADOW: ActionState.SHADOW,
    Disposition.REFUSED: ActionState.REFUSED,
}
_WOULD_NOT = (Conflict, NotFound, Refused, BadInput)
"""What the API server says for good, about one write."""

ASKED = 5
"""How often a dry run is asked for of a server that does not answer: it may be busy with others of a storm."""
BUSY_SECONDS = 1.0
"""Between two of them."""

_STANDING = frozenset(state for state in ActionState if state.stands) - {ActionState.DRIFTED}
"""What it may have become meanwhile: somebody had it verified. What was put back is not brought back."""


class Halted(Unavailable):
    """Firebreak is stopped: this turn comes after the resume, whenever that is."""


HALTED = Halted.__name__
"""How a workflow is told of it."""


class Turns:
    """The deferred actions of stacks, one at a time."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        cluster: Cluster,
        records: Records,
        authority: Authority,
        upkeep: Upkeep,
        caps: Caps,
        now: Callable[[], datetime],
        orders: Orders,
    ) -> None:
        """Know these actions, write to this cluster what `authority` allows."""
        self._actions = actions
        self._cluster = cluster
        self._gated = Gated(cluster, orders)
        self._records = records
        self._authority = authority
        self._upkeep = upkeep
        self._caps = caps
        self._now = now
        self._orders = orders

    async def take(self, receipt: Receipt) -> Receipt:
        """Carry one action out, or go on where an attempt was cut off; return its record.

        Raises:
            Halted: Firebreak is stopped.
            Unavailable: a server did not answer; try again.
        """
        if receipt.state is ActionState.DUE:
            await self._unless_stopped()
            receipt = await self._begun(receipt)
        if receipt.state is not ActionState.APPLIED or not receipt.action.deferred:
            return receipt
        await self._unless_stopped()  # also where an attempt from before the stop was cut off
        return await self._carried_out(receipt)

    async def _unless_stopped(self) -> None:
        await self._orders.refresh(self._cluster)
        self._check()

    def _check(self) -> None:
        if stop := self._orders.standing:
            raise Halted(f"{stop}; its turn comes after the resume")

    async def settle(self, receipt: Receipt, reason: str) -> Receipt:
        """Let an action whose turn has not come never have it."""
        if receipt.state is not ActionState.DUE:
            return receipt
        refused = receipt.model_copy(update={"state": ActionState.REFUSED, "reason": reason})
        return await self._records.move(refused, before={ActionState.DUE})

    async def _begun(self, receipt: Receipt) -> Receipt:
        """Look again, and put on record that it begins: before the first write."""
        plan = receipt.plan if receipt.approved_by else await self._planned(receipt)
        ruling = await self._authority.again(receipt, plan)
        state, reason, group = _STOPPED.get(ruling.disposition, ActionState.APPLIED), ruling.reason, ""
        if state is ActionState.APPLIED and (limit := await self._caps.room(receipt)):
            state, reason, group = ActionState.STAGED, limit.reason, limit.group
        if state is ActionState.APPLIED:
            reason = await self._tried(receipt, plan)
            state = ActionState.FAILED if reason else state
        if state is ActionState.APPLIED and (limit := await self._caps.take(receipt)):
            state, reason, group = ActionState.STAGED, limit.reason, limit.group
        applied_at = self._now() if state is ActionState.APPLIED else None
        begun = {"plan": plan, "state": state, "reason": reason, "applied_at": applied_at, "group": group}
        return await self._records.move(receipt.model_copy(update=begun), before=UNBEGUN)

    async def _tried(self, receipt: Receipt, plan: ActionPlan) -> str:
        """Return why an action would not be taken, by a dry run; a server that is busy is asked a few times."""
        one, said = Plan(incident=receipt.incident, policy_digest="", actions=(plan,)), ""
        for again in range(ASKED):
            await asyncio.sleep(BUSY_SECONDS if again else 0)
            try:
                answers = await writing.dry_run(self._cluster, one)
            except Unavailable as error:
                said = str(error)
            else:
                return next((answer.message for answer in answers if not answer.accepted), "")
        return said

    async def _planned(self, receipt: Receipt) -> ActionPlan:
        case = CaseRef(
            incident=receipt.incident,
            expires_at=receipt.expires_at or self._now(),
            tier=receipt.action.tier,
            reason=receipt.action.summary,
        )
        return await self._actions[receipt.action.type].plan(self._cluster, receipt.action, case)

    async def _carried_out(self, receipt: Receipt) -> Receipt:
        kind = self._actions[receipt.action.type]
        try:
            await writing.apply(self._gated, receipt.plan)
        except _WOULD_NOT as error:
            self._check()
            done = Performed(failed=str(error))
        else:
            done = await self._performed(kind, receipt)
        over = kind.passing or bool(done.failed)
        if over:
            await writing.revert(self._cluster, receipt.plan, force=True)
        state = ActionState.DONE if over else ActionState.APPLIED
        told = {
            "state": ActionState.FAILED if done.failed else state,
            "reason": done.failed,
            "checks": done.checks,
            "evidence": done.evidence,
        }
        latest = await self._records.move(receipt.model_copy(update=told), before=_STANDING)
        if not latest.state.stands and not over:
            await writing.revert(self._cluster, receipt.plan, force=True)
        return await self._upkeep.verified(latest)

    async def _performed(self, kind: Action, receipt: Receipt) -> Performed:
        if kind.perform is None:
            return Performed()
        try:
            return await kind.perform(self._cluster, receipt)
        except (*_WOULD_NOT, Unavailable, LookupError, TypeError, ValueError) as error:
            return Performed(failed=str(error) or repr(error))  # also an answer that makes no sense
