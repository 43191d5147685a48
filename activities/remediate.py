"""Writes what was decided, once, and puts it back, exactly: the only room with hands in the cluster.

An attempt may be cut off at any instruction and another may run beside it. Both find the same record: plan and
inverse are stored create-only under the action's id before the first write, an existing record wins, and every
write is idempotent. So a retry writes what is missing, never twice, and the undo is known before there is
anything to undo.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities import metrics, writing
from activities.action import Action, CaseRef
from activities.authority import Authority
from activities.foresight import Foreseen
from activities.metrics import Stage
from activities.ports import PODS, Cluster, KeyValue
from activities.records import Records
from activities.tracing import span
from signals.approvals import Verb
from signals.decisions import Decision, OnExpiry, PlannedAction
from signals.entities import Entity
from signals.envelope import Trust
from signals.errors import Drifted, NotFound, Refused
from signals.plans import ActionPlan, Plan, Write
from signals.policy import Policy
from signals.receipts import ActionState, Receipt, Result
from signals.requests import (
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

HEARTBEAT_SECONDS = 0.5

_STATES = {
    Disposition.STAGED: ActionState.STAGED,
    Disposition.SHADOW: ActionState.SHADOW,
    Disposition.REFUSED: ActionState.REFUSED,
    Disposition.FAILED: ActionState.FAILED,
}


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat while the work runs, so that a dead executor is noticed in seconds."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def _trace(stack: StackRequest) -> dict[str, str]:
    """Return the trace of the alert that led to a stack."""
    return next((receipt.trace for receipt in stack.receipts if receipt.trace), {})


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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Know these actions, write to this cluster, remember in this bucket, believe these keys."""
        self._actions = actions
        self._cluster = cluster
        self._records = Records(records)
        self._policy = policy
        self._authority = Authority(cluster, trust, policy)
        self._now = now

    @activity.defn
    async def apply_plan(self, request: ApplyRequest) -> Outcome:
        """Plan, judge again, dry-run, record, write."""
        with span(SPAN_APPLY, request.decision.trace, incident=request.decision.incident):
            async with beating():
                outcome = await self._carry_out(request, write=True)
        self._measured(request.decision, outcome)
        return outcome

    @activity.defn
    async def stage_plan(self, request: ApplyRequest) -> Outcome:
        """Do the same, stopped after the dry run."""
        async with beating():
            return await self._carry_out(request, write=False)

    @activity.defn
    async def verify_stack(self, request: StackRequest) -> Stack:
        """Check every action: what was measured, and what cannot be known here."""
        with span(SPAN_VERIFY, _trace(request), incident=request.incident):
            async with beating():
                known = await self._of(request)
                receipts = [await self._verified(receipt) for receipt in known]
                for before, after in zip(known, receipts, strict=True):
                    if before.state is ActionState.APPLIED:
                        metrics.action(after)
                        metrics.stage(Stage.WRITE_TO_VERIFIED, after.applied_at, self._now())
                return Stack(receipts=tuple(receipts), target_gone=await self._gone(request))

    @activity.defn
    async def hold_stack(self, request: StackRequest) -> Stack:
        """Write what the containment misses since the world around it changed."""
        async with beating():
            receipts, notes = [], []
            for receipt in await self._of(request):
                held, said = await self._held(receipt)
                receipts.append(await self._verified(held))
                notes += said
            return Stack(receipts=tuple(receipts), target_gone=await self._gone(request), notes=tuple(notes))

    @activity.defn
    async def revert_stack(self, request: RevertRequest) -> Stack:
        """Put everything back, newest first; stop at the first object that somebody else changed."""
        with span(SPAN_REVERT, _trace(request.stack), incident=request.stack.incident):
            async with beating():
                receipts = list(await self._of(request.stack))
                await self._may_revert(request, receipts)
                notes: list[str] = []
                force = bool(request.approval and request.approval.force)
                for place in reversed(range(len(receipts))):
                    receipts[place] = await self._reverted(receipts[place], notes, force=force)
                    metrics.action(receipts[place])
                    if receipts[place].state is ActionState.DRIFTED:
                        break
                return Stack(receipts=tuple(receipts), notes=tuple(notes))

    @activity.defn
    async def extend_stack(self, request: ExtendRequest) -> Stack:
        """Let everything stand for longer: by a person's word, or because it must hold until there is one."""
        async with beating():
            receipts = list(await self._of(request.stack))
            if request.approval is not None:
                verbs = (Verb.EXTEND, Verb.REJECT)
                self._authority.prove_command(request.approval, request.stack.incident, verbs)
            elif all(receipt.on_expiry is OnExpiry.RELEASE for receipt in receipts):
                raise Refused("this stack is released when its time is up; only a person may extend it")
            longest = max((receipt.action.ttl_seconds for receipt in receipts), default=0)
            seconds = request.seconds if request.approval else min(request.seconds, longest)
            until = max(r.expires_at or self._now() for r in receipts) + timedelta(seconds=seconds)
            extended = [await self._extended(receipt, until) for receipt in receipts]
            return Stack(receipts=tuple(extended), notes=(f"it stands until {until:%Y-%m-%d %H:%M:%S} UTC",))

    def _measured(self, decision: Decision, outcome: Outcome) -> None:
        """Count what came of a decision, and how long it took."""
        for receipt in outcome.receipts:
            metrics.action(receipt)
        if outcome.disposition is Disposition.APPLIED:
            metrics.stage(Stage.DECISION_TO_WRITE, decision.decided_at, self._now())
            metrics.stage(Stage.ACCEPTED_TO_WRITE, decision.accepted_at, self._now())

    async def _carry_out(self, request: ApplyRequest, *, write: bool) -> Outcome:
        decision = request.decision
        self._authority.prove(decision)
        recorded = {action.id: await self._records.find(action.id) for action in decision.actions}
        plan = await self._plan(decision, recorded)
        if write and all(recorded.values()):
            return await self._written(decision, plan, recorded, request)
        ruling = await self._authority.rule(decision, plan, request.approval)
        if ruling.disposition not in (Disposition.REFUSED, Disposition.FAILED):
            answers = await writing.dry_run(self._cluster, plan)
            plan = plan.model_copy(update={"dry_run": answers})
            no = [answer for answer in answers if not answer.accepted]
            if no:
                return self._unwritten(decision, plan, Disposition.FAILED, f"{no[0].write}: {no[0].message}")
        if not write and ruling.disposition is Disposition.APPLIED:
            return self._unwritten(decision, plan, Disposition.STAGED, decision.why_not)
        if ruling.disposition is not Disposition.APPLIED:
            outcome = self._unwritten(decision, plan, ruling.disposition, ruling.reason)
            return outcome.model_copy(update={"roles": ruling.roles})
        return await self._written(decision, plan, recorded, request)

    async def _plan(self, decision: Decision, recorded: Mapping[str, Receipt | None]) -> Plan:
        """Plan against the live API; what is recorded is never planned again."""
        planned: list[ActionPlan] = []
        for action in decision.actions:
            known = recorded[action.id]
            below = [write for plan in planned for write in plan.writes]
            planned.append(known.plan if known else await self._plan_one(decision, action, below))
        plan = Plan(incident=decision.incident, policy_digest=self._policy.digest, actions=tuple(planned))
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

    async def _written(
        self, decision: Decision, plan: Plan, recorded: Mapping[str, Receipt | None], request: ApplyRequest
    ) -> Outcome:
        """Record, then write. An action that was put back meanwhile stays put back."""
        receipts: list[Receipt] = []
        for planned in plan.actions:
            receipt = recorded[planned.action.id] or await self._remember(decision, plan, planned, request)
            if receipt.state.stands:
                await writing.apply(self._cluster, receipt.plan)
            receipts.append(receipt)
        return Outcome(disposition=Disposition.APPLIED, plan=plan, receipts=tuple(receipts))

    async def _remember(
        self, decision: Decision, plan: Plan, planned: ActionPlan, request: ApplyRequest
    ) -> Receipt:
        """Store plan and inverse before the first write. Who comes second takes the first one's record."""
        now = self._now()
        receipt = Receipt(
            action=planned.action,
            incident=decision.incident,
            cluster=decision.cluster,
            plan=planned,
            plan_hash=plan.hash,
            state=ActionState.APPLIED,
            applied_at=now,
            expires_at=decision.decided_at + timedelta(seconds=planned.action.ttl_seconds),
            approved_by=request.approval.actor if request.approval else None,
            trace=decision.trace,
        )
        return await self._records.remember(receipt)

    def _unwritten(self, decision: Decision, plan: Plan, what: Disposition, reason: str) -> Outcome:
        receipts = tuple(
            Receipt(
                action=planned.action,
                incident=decision.incident,
                cluster=decision.cluster,
                plan=planned,
                plan_hash=plan.hash,
                state=_STATES[what],
                reason=reason,
            )
            for planned in plan.actions
        )
        return Outcome(disposition=what, plan=plan, receipts=receipts, reason=reason)

    async def _verified(self, receipt: Receipt) -> Receipt:
        if not receipt.state.stands or receipt.state is ActionState.DRIFTED:
            return receipt
        checks = await self._actions[receipt.action.type].verify(self._cluster, receipt)
        results = {check.result for check in checks}
        state = ActionState.EFFECTIVE
        if Result.FAILED in results:
            state = ActionState.INEFFECTIVE
        elif Result.UNKNOWN in results:
            state = ActionState.UNVERIFIED
        return await self._records.store(receipt.model_copy(update={"checks": checks, "state": state}))

    async def _held(self, receipt: Receipt) -> tuple[Receipt, list[str]]:
        """Write what is missing around one action, and put it on record with the rest of its plan."""
        if not receipt.state.stands or receipt.state is ActionState.DRIFTED:
            return receipt, []
        missing = await self._actions[receipt.action.type].hold(self._cluster, receipt)
        if not missing:
            return receipt, []
        known = {str(write) for write in receipt.plan.writes}
        added = tuple(write for write in missing if str(write) not in known)
        plan = receipt.plan.model_copy(update={"writes": (*receipt.plan.writes, *added)})
        receipt = await self._records.store(receipt.model_copy(update={"plan": plan}))
        await writing.apply(self._cluster, receipt.plan.model_copy(update={"writes": missing}))
        return receipt, [f"held: {write}" for write in missing]

    async def _may_revert(self, request: RevertRequest, receipts: list[Receipt]) -> None:
        """Return if this stack may be put back.

        Raises:
            Refused: nobody said so, its time is not up, or its target still lives.
        """
        if request.cause is Cause.PERSON:
            verbs = (Verb.UNDO, Verb.STAND_DOWN, Verb.CLOSE, Verb.APPROVE)
            self._authority.prove_command(request.approval, request.stack.incident, verbs)
        elif request.cause is Cause.EXPIRED:
            if max(r.expires_at or self._now() for r in receipts) > self._now():
                raise Refused("the time of this stack is not up")
        elif request.cause is Cause.TARGET_GONE and not await self._gone(request.stack):
            raise Refused("a target of this stack still lives")

    async def _reverted(self, receipt: Receipt, notes: list[str], *, force: bool) -> Receipt:
        if not receipt.state.stands:
            return receipt
        try:
            await writing.revert(self._cluster, receipt.plan, force=force)
        except Drifted as error:
            notes.append(f"stopped: {error}")
            return await self._records.store(
                receipt.model_copy(update={"state": ActionState.DRIFTED, "reason": str(error)})
            )
        notes.append(f"put back: {receipt.action.summary}")
        return await self._records.store(
            receipt.model_copy(
                update={"state": ActionState.REVERTED, "reason": "", "reverted_at": self._now()}
            )
        )

    async def _extended(self, receipt: Receipt, until: datetime) -> Receipt:
        if not receipt.state.stands:
            return receipt
        await writing.extend(self._cluster, receipt.plan.writes, until)
        return await self._records.store(receipt.model_copy(update={"expires_at": until}))

    async def _of(self, stack: StackRequest) -> tuple[Receipt, ...]:
        return await self._records.of(stack, self._cluster.ref.uid)

    async def _gone(self, stack: StackRequest) -> bool:
        """Return whether every pod that the stack holds is gone."""
        targets: dict[str, Entity] = {}
        for receipt in stack.receipts:
            targets |= {target.key: target for target in receipt.action.targets}
        for target in targets.values():
            try:
                pod = await self._cluster.get(PODS.ref(target.name, target.namespace))
            except NotFound:
                continue
            if pod["metadata"]["uid"] == target.uid:
                return False
        return bool(targets)
