"""The executor's activities: carry out what was decided, look after it, and put it back, exactly.

It believes a decision and a command only by their signatures, and an action only by its own record of it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from temporalio import activity

from activities import metrics
from activities.action import Action
from activities.applying import Applying
from activities.authority import Authority
from activities.beating import beating
from activities.breaker import Breaker
from activities.caps import Caps
from activities.carrying import Carrying
from activities.consent import Consents
from activities.dossier import Dossiers
from activities.doubting import Doubting
from activities.ending import Ending
from activities.gated import Gated
from activities.metrics import Stage
from activities.orders import Orders
from activities.ports import Cluster, KeyValue
from activities.records import Records
from activities.spending import Spending
from activities.tracing import span
from activities.turns import Turns
from activities.upkeep import RELEASED, Upkeep
from signals.decisions import Decision
from signals.envelope import Trust
from signals.errors import Refused
from signals.plans import WriteKind
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.requests import (
    AdvanceRequest,
    ApplyRequest,
    Cause,
    Disposition,
    ExtendRequest,
    Outcome,
    RevertRequest,
    Stack,
    StackRequest,
)
from signals.subjects import SPAN_APPLY, SPAN_REVERT, SPAN_VERIFY


def _trace(stack: StackRequest) -> dict[str, str]:
    """Return the trace of the alert that led to a stack."""
    return next((receipt.trace for receipt in stack.receipts if receipt.trace), {})


def _evicted(receipts: Sequence[Receipt]) -> str:
    """Return why what stood is over rather than undone: its pods are gone by our own hand."""
    done = (write for one in receipts if one.state is ActionState.DONE for write in one.plan.writes)
    evicted = any(write.kind is WriteKind.EVICT for write in done)
    return "its pod was evicted and is gone: nothing is left to hold" if evicted else ""


class Remediating:
    """The executor's activities."""

    def __init__(
        self,
        *,
        actions: Mapping[str, Action],
        cluster: Cluster,
        records: KeyValue,
        trust: Trust,
        policy: Policy,
        consents: Consents | None = None,
        orders: Orders | None = None,
        refused: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Know these actions, write to this cluster, remember in this bucket, believe these keys.

        `refused` says why the installed policy does not hold, where it does not.
        """
        self._cluster = cluster
        self._records = Records(records)
        orders = orders or Orders()
        self._upkeep = Upkeep(actions, cluster, self._records, now, orders)
        self._authority = Authority(cluster, trust, policy, Breaker(records, policy, now))
        applying = Applying(actions, Gated(cluster, orders), self._records, now)
        dossiers, spending = Dossiers(records), Spending(records, policy, now)
        doubting = Doubting(self._records, dossiers, spending, orders, policy.digest, refused, now)
        self._carrying = Carrying(
            applying, self._authority, cluster, self._records, policy, doubting, orders, consents
        )
        caps = Caps(cluster, records, policy, now)
        self._turns = Turns(actions, cluster, self._records, self._authority, self._upkeep, caps, now, orders)
        self._ending = Ending(
            cluster, self._authority, self._records, dossiers, spending, self._upkeep, policy, now
        )
        self._now = now

    @activity.defn
    async def apply_plan(self, request: ApplyRequest) -> Outcome:
        """Plan, judge again, dry-run, record, write."""
        with span(SPAN_APPLY, request.decision.trace, incident=request.decision.incident):
            async with beating():
                outcome = await self._carrying.out(request, write=True)
        self._measured(request.decision, outcome)
        return outcome

    @activity.defn
    async def stage_plan(self, request: ApplyRequest) -> Outcome:
        """Do the same, stopped after the dry run."""
        async with beating():
            return await self._carrying.out(request, write=False)

    @activity.defn
    async def advance_stack(self, request: AdvanceRequest) -> Stack:
        """Carry out one action whose turn has come; that it fails is on its receipt, and stops nothing."""
        with span(SPAN_APPLY, _trace(request.stack), incident=request.stack.incident):
            async with beating():
                receipts = list(await self._of(request.stack))
                await self._ending.may_advance(request)
                for place, receipt in enumerate(receipts):
                    if receipt.action.id == request.action:
                        receipts[place] = await self._turns.take(receipt)
                        metrics.action(receipts[place])
                return Stack(receipts=tuple(receipts), target_gone=await self._upkeep.gone(receipts))

    @activity.defn
    async def verify_stack(self, request: StackRequest) -> Stack:
        """Check every action: what was measured, and what cannot be known here."""
        with span(SPAN_VERIFY, _trace(request), incident=request.incident):
            async with beating():
                known = await self._of(request)
                receipts = [await self._upkeep.verified(receipt) for receipt in known]
                for before, after in zip(known, receipts, strict=True):
                    if before.state is ActionState.APPLIED:
                        metrics.action(after)
                        metrics.stage(Stage.WRITE_TO_VERIFIED, after.applied_at, self._now())
                return Stack(receipts=tuple(receipts), target_gone=await self._upkeep.gone(receipts))

    @activity.defn
    async def hold_stack(self, request: StackRequest) -> Stack:
        """Write what the containment misses since the world around it changed; nothing where all of it is gone."""
        async with beating():
            known = await self._of(request)
            if await self._upkeep.gone(known):
                return Stack(receipts=known, target_gone=True)
            released = await self._upkeep.released(known)
            if released is not None:
                return Stack(receipts=released, notes=(RELEASED,))
            receipts, notes = [], []
            for receipt in known:
                held, said = await self._upkeep.held(receipt)
                receipts.append(await self._upkeep.verified(held))
                notes += said
            return Stack(receipts=tuple(receipts), notes=tuple(notes))

    @activity.defn
    async def revert_stack(self, request: RevertRequest) -> Stack:
        """Put everything back, newest first; stop at the first object that somebody else changed."""
        with span(SPAN_REVERT, _trace(request.stack), incident=request.stack.incident):
            async with beating():
                receipts = await self._ending.stack(request.stack)
                await self._ending.may_revert(request, receipts)
                receipts = [await self._turns.settle(one, "put back before its turn") for one in receipts]
                notes: list[str] = []
                force = bool(request.approval and request.approval.force)
                over = _evicted(receipts) if request.cause is Cause.TARGET_GONE else ""
                for place in reversed(range(len(receipts))):
                    receipts[place] = await self._upkeep.reverted(
                        receipts[place], notes, force=force, over=over
                    )
                    metrics.action(receipts[place])
                    if receipts[place].state is ActionState.DRIFTED:
                        break
                return Stack(receipts=tuple(receipts), notes=tuple(notes))

    @activity.defn
    async def extend_stack(self, request: ExtendRequest) -> Stack:
        """Let everything stand for longer: by a person's word, or because it must hold until there is one."""
        async with beating():
            receipts = await self._ending.stack(request.stack)
            until = await self._ending.may_extend(request, receipts)
            unasked = request.approval is None
            extended = [await self._upkeep.extended(receipt, until, unasked=unasked) for receipt in receipts]
            if not any(receipt.expires_at == until for receipt in extended):
                raise Refused("nothing of this stack stands in the cluster any more")
            return Stack(receipts=tuple(extended), notes=(f"it stands until {until:%Y-%m-%d %H:%M:%S} UTC",))

    def _measured(self, decision: Decision, outcome: Outcome) -> None:
        """Count what came of a decision, and how long it took."""
        for receipt in outcome.receipts:
            metrics.action(receipt)
        if outcome.disposition is Disposition.APPLIED:
            metrics.stage(Stage.DECISION_TO_WRITE, decision.decided_at, self._now())
            metrics.stage(Stage.ACCEPTED_TO_WRITE, decision.accepted_at, self._now())

    async def _of(self, stack: StackRequest) -> tuple[Receipt, ...]:
        return await self._records.of(stack, self._cluster.ref.uid)
