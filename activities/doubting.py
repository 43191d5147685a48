"""Why a decision that is genuine should still not be carried out without a person.

Temporal keeps every signed decision, and can have the same events judged again under another number. Genuine is not
enough, then: what was put back, or left to a person, comes again by itself only where something newer was seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from activities.dossier import Dossier, Dossiers, question
from activities.orders import WHOLE_SECOND, Orders
from activities.phases import every
from activities.records import Records
from activities.ruling import Ruling, Rulings, followed
from activities.spending import Spending
from signals.approvals import Approval
from signals.decisions import Decision, PlannedAction
from signals.errors import Refused
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.requests import Disposition

DECISION_AGE = timedelta(hours=1)
"""After so long without a write a decision is an old one: the executor was away, or somebody kept it."""


class Doubting:
    """Compares a decision with what the executor did and asked before."""

    def __init__(
        self,
        records: Records,
        dossiers: Dossiers,
        spending: Spending,
        orders: Orders,
        policy_digest: str,
        refused: str,
        now: Callable[[], datetime],
    ) -> None:
        """Know these records, what people said, and which policy holds; `refused` says why another does not."""
        self._records = records
        self._dossiers = dossiers
        self._spending = spending
        self._orders = orders
        self._policy_digest = policy_digest
        self._refused = refused
        self._now = now

    async def unless_replayed(
        self, decision: Decision, plan: Plan, rulings: Rulings, approval: Approval | None
    ) -> dict[str, Ruling]:
        """Return the rulings, where what could be a replay waits for a person (again).

        Raises:
            Unavailable: what was done before is not known.
        """
        ruled = dict(rulings)
        writable = {one for one, ruling in rulings.items() if ruling.may_be_written}
        approved = {one for one in writable if rulings[one].approved}
        used = await self._used(approval) if approved and approval else ""
        doubt = await self._doubt(decision, writable - approved)
        for one in writable:
            why = used if one in approved else doubt
            if why:
                ruled[one] = replace(ruled[one], disposition=Disposition.STAGED, reason=why)
        fresh = plan.model_copy(update={"actions": tuple(a for a in plan.actions if a.action.id in ruled)})
        ruled = followed(fresh, ruled)
        left = {one for one, ruling in ruled.items() if ruling.disposition is Disposition.STAGED}
        await self._remember(decision, writable, left if decision.execute else set())
        return ruled

    async def _used(self, approval: Approval) -> str:
        no = self._orders.last_no(approval.incident)
        if no and approval.said_at + WHOLE_SECOND < no.at:
            return f"{no.actor} said {no.verb} after this was approved: decide again"
        try:
            await self._spending.spend(approval, "write", (approval.plan_hash,))
        except Refused as error:
            return str(error)
        return ""

    async def _doubt(self, decision: Decision, ids: set[str]) -> str:
        """Return why a person must decide about these actions, all of them together: one plan, one question."""
        actions = [action for action in decision.actions if action.id in ids]
        if not actions:
            return ""
        dossier = await self._dossiers.of(decision.incident)
        mine = {action.id for action in decision.actions}
        found = await every(self._records.find(one) for one in dossier.actions if one not in mine)
        before = [receipt for receipt in found if receipt is not None]
        why = [*self._old(decision), *self._forbidden(decision)]
        for action in actions:
            why += [*_repeated(decision, action, before), *_asked(decision, action, dossier)]
        return "; ".join(dict.fromkeys(why))

    async def _remember(self, decision: Decision, recorded: set[str], left: set[str]) -> None:
        """Remember what goes on record now, and what is left to a person although it was to be written."""
        seen = decision.accepted_at or decision.decided_at
        asked = {question(action): seen for action in decision.actions if action.id in left}
        known = [action.id for action in decision.actions if action.id in recorded]
        await self._dossiers.add(decision.incident, known, asked)

    def _forbidden(self, decision: Decision) -> Iterator[str]:
        """Yield what people have said against it: another policy is in force, or no more in this incident."""
        if decision.policy_digest != self._policy_digest:
            yield self._refused or "this was decided under a policy that is not the one in force"
        stood_down, no = self._orders.stood_down(decision.incident), self._orders.last_no(decision.incident)
        if stood_down:
            yield f"{stood_down.actor} said stand-down: nothing more is written here"
        elif no and not _newer(decision, no.at):
            yield f"{no.actor} said {no.verb}, and nothing new was seen since"

    def _old(self, decision: Decision) -> Iterator[str]:
        age = self._now() - decision.decided_at
        if age > DECISION_AGE:
            yield f"this was decided {age.total_seconds() / 60:.0f} minutes ago"


def _repeated(decision: Decision, action: PlannedAction, before: list[Receipt]) -> Iterator[str]:
    for receipt in before:
        if not _same(action, receipt.action):
            continue
        if receipt.state.stands:
            yield f"this stands already: {receipt.action.summary}"
        elif receipt.state is ActionState.REVERTED and not _newer(decision, receipt.reverted_at):
            yield f"this was put back, and nothing new was seen since: {receipt.action.summary}"


def _asked(decision: Decision, action: PlannedAction, dossier: Dossier) -> Iterator[str]:
    at = dossier.asked.get(question(action))
    if at is not None and not _newer(decision, at):
        yield "a person was asked about this already, and nothing new was seen since"


def _same(one: PlannedAction, other: PlannedAction) -> bool:
    """Return whether two actions do the same thing to a pod that both name."""
    shared = {target.key for target in one.targets} & {target.key for target in other.targets}
    return one.type == other.type and one.peer == other.peer and bool(shared)


def _newer(decision: Decision, than: datetime | None) -> bool:
    """Return whether something was seen after that: by the orchestrator's signature, not by a workflow's word."""
    return decision.accepted_at is not None and (than is None or decision.accepted_at > than)
