"""Whether what stands may be put back, or stand for longer: by a person's word, or because its time is up.

Putting back is what an intruder wants most. So nothing here is believed of a request but which incident it is
about: the stack is the executor's own, its expiry is read from the record and from the cluster, and a cancel in
Temporal is nobody's word.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from activities import expiry
from activities.authority import Authority
from activities.dossier import Dossiers
from activities.phases import every
from activities.ports import Cluster
from activities.records import Records
from activities.spending import GRACE, Spending
from activities.upkeep import Upkeep
from signals.approvals import Approval, Verb
from signals.decisions import OnExpiry
from signals.errors import Refused
from signals.matters import RELEASE, decides
from signals.policy import AfterExtensions, Policy
from signals.receipts import ActionState, Receipt
from signals.requests import (
    OVERDUE_SECONDS,
    AdvanceRequest,
    Cause,
    ExtendRequest,
    RevertRequest,
    StackRequest,
)

PUTS_BACK = (Verb.UNDO, Verb.STAND_DOWN, Verb.CLOSE, Verb.APPROVE)


class Ending:
    """Gives leave to end a stack, or to let it stand for longer."""

    def __init__(
        self,
        cluster: Cluster,
        authority: Authority,
        records: Records,
        dossiers: Dossiers,
        spending: Spending,
        upkeep: Upkeep,
        policy: Policy,
        now: Callable[[], datetime],
    ) -> None:
        """Ask these."""
        self._cluster = cluster
        self._authority = authority
        self._records = records
        self._dossiers = dossiers
        self._spending = spending
        self._upkeep = upkeep
        self._policy = policy
        self._now = now

    async def stack(self, request: StackRequest) -> list[Receipt]:
        """Return the whole stack of an incident by our own records, whatever part of it a request names.

        Raises:
            Refused: what it names is not on record here.
        """
        known = {
            receipt.action.id: receipt for receipt in await self._records.of(request, self._cluster.ref.uid)
        }
        dossier = await self._dossiers.of(request.incident)
        others = await every(self._records.find(one) for one in dossier.actions if one not in known)
        known |= {
            one.action.id: one for one in others if one is not None and one.incident == request.incident
        }
        return sorted(known.values(), key=lambda receipt: receipt.action.index)

    async def may_advance(self, request: AdvanceRequest) -> None:
        """Return if it is this action's turn: evidence before destruction, whoever asks.

        Raises:
            Refused: another action of the incident comes first.
        """
        receipts = await self.stack(request.stack)
        place = next((one.action.index for one in receipts if one.action.id == request.action), 0)
        first = next((one for one in receipts if one.state is ActionState.DUE), None)
        if first is not None and first.action.index < place:
            raise Refused(f"it is not its turn yet: {first.action.summary} comes first")

    async def may_revert(self, request: RevertRequest, receipts: Sequence[Receipt]) -> None:
        """Return if this stack may be put back.

        Raises:
            Refused: nobody said so, its time is not up, or its target still lives.
        """
        standing = [receipt for receipt in receipts if receipt.state.stands]
        if request.cause is Cause.PERSON:
            await self._said(request, standing)
        elif request.cause is Cause.EXPIRED:
            await self._time_is_up(standing)
        elif request.cause is Cause.CANCELLED:
            raise Refused("a cancel in Temporal puts nothing back: a person says undo or stand-down")
        elif not await self._upkeep.gone(receipts):
            raise Refused("a target of this stack still lives")

    async def _said(self, request: RevertRequest, standing: Sequence[Receipt]) -> None:
        approval = self._authority.prove_command(request.approval, request.stack.incident, PUTS_BACK)
        if approval.verb is Verb.CLOSE and not approval.undo:
            raise Refused("this closes the incident and puts nothing back: close with --undo")
        if approval.verb is Verb.APPROVE and standing:
            _check_answer(approval, standing)
            if await self._ends(standing) - self._now() > self._asked_before:
                raise Refused("nobody was asked to release this: its time is not nearly up")
        if standing:
            self._authority.prove_about(approval, decides(approval, RELEASE), standing)
        ids = tuple(receipt.action.id for receipt in standing)
        await self._spending.spend(approval, "put back", ids)

    async def _time_is_up(self, standing: Sequence[Receipt]) -> None:
        if not standing:
            return
        if await self._ends(standing) > self._now():
            raise Refused("the time of this stack is not up")
        held = [receipt for receipt in standing if receipt.on_expiry is not OnExpiry.RELEASE]
        holds_on = self._policy.after_extensions is AfterExtensions.HOLD
        if held and holds_on and not await self._upkeep.gone(held):
            raise Refused("silence lets nobody go while the pod lives: a person releases this")
        if held and max(receipt.extended for receipt in held) < self._policy.extensions:
            raise Refused("silence extends this stack: its time is up when it was extended often enough")

    async def may_extend(self, request: ExtendRequest, receipts: Sequence[Receipt]) -> datetime:
        """Return until when this stack may stand; its own expiry where an earlier attempt extended it.

        Raises:
            Refused: nobody said so, and it is released by itself, is not nearly over, or was extended enough.
        """
        until = self._upkeep.until(request, receipts)
        standing = [receipt for receipt in receipts if receipt.state.stands]
        ends = max((receipt.expires_at or self._now() for receipt in standing), default=until)
        if request.approval is not None:
            verbs = (Verb.EXTEND, Verb.REJECT)
            approval = self._authority.prove_command(request.approval, request.stack.incident, verbs)
            if approval.verb is Verb.REJECT and standing:
                _check_answer(approval, standing)
            self._authority.prove_about(approval, Verb.EXTEND, standing)
            ids = tuple(receipt.action.id for receipt in standing)
            spent = await self._spending.spend(approval, "extend", ids, until)
            return max(spent.until or until, ends)
        if all(receipt.on_expiry is OnExpiry.RELEASE for receipt in receipts):
            raise Refused("this stack is released when its time is up; only a person may extend it")
        if until > ends:
            self._bounded(standing, ends, until)
        return until

    def _bounded(self, standing: Sequence[Receipt], ends: datetime, until: datetime) -> None:
        """Return if silence may extend a stack: so often, and afterwards by an hour at a time if it is held on."""
        if ends - self._now() > self._asked_before:
            raise Refused("nobody was asked about this stack: its time is not nearly up")
        hour = until - max(ends, self._now()) <= timedelta(seconds=OVERDUE_SECONDS)
        if self._policy.after_extensions is AfterExtensions.HOLD and hour:
            return
        least = min(receipt.action.ttl_seconds for receipt in standing)
        if until - ends < timedelta(seconds=least):  # else a second each would use all extensions up
            raise Refused("silence extends this by as long as it was given at first, and by no less")
        if any(receipt.extended >= self._policy.extensions for receipt in standing):
            raise Refused(f"this was extended {self._policy.extensions} times already: a person decides")

    @property
    def _asked_before(self) -> timedelta:
        """How long before its time is up a person may be asked about a stack."""
        return timedelta(seconds=self._policy.approval_seconds) + GRACE

    async def _ends(self, standing: Sequence[Receipt]) -> datetime:
        """Return when a stack's time is up, by what is later: our record, or what stands in the cluster."""
        told = await every(expiry.told(self._cluster, receipt.plan.writes) for receipt in standing)
        recorded = [receipt.expires_at for receipt in standing]
        return max((at for at in (*told, *recorded) if at is not None), default=self._now())


def _check_answer(approval: Approval, standing: Sequence[Receipt]) -> None:
    """Return if this answers the question about what stands: its plan, its targets.

    Raises:
        Refused: it is an answer to something else.
    """
    uids = {target.uid for receipt in standing for target in receipt.action.targets if target.uid}
    if approval.plan_hash != standing[-1].plan_hash or set(approval.target_uids) != uids:
        raise Refused("this is the answer to another question: describe the incident and decide again")
