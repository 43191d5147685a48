"""Looks after one applied action: does it work, does it hold, put it back, let it stand for longer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from activities import expiry, writing
from activities.action import Action
from activities.orders import Orders
from activities.overtaking import unless_overtaken
from activities.phases import every
from activities.ports import NETWORK_POLICIES, PODS, Cluster
from activities.records import Records
from activities.standing import State, look
from signals.entities import Entity
from signals.errors import Drifted, NotFound, Refused
from signals.receipts import ActionState, Receipt, Result
from signals.requests import ExtendRequest

RELEASED = "all of it was taken away outside of this incident, as by `firebreak release`"
"""What is said of a stack of which nothing is left."""


class Upkeep:
    """The care of what stands. Everything that becomes of an action goes on its record."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        cluster: Cluster,
        records: Records,
        now: Callable[[], datetime],
        orders: Orders | None = None,
    ) -> None:
        """Know these actions, look at this cluster, write on these records."""
        self._actions = actions
        self._cluster = cluster
        self._records = records
        self._now = now
        self._orders = orders or Orders()

    async def verified(self, receipt: Receipt) -> Receipt:
        """Measure what can be measured of one action."""
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

    async def held(self, receipt: Receipt) -> tuple[Receipt, list[str]]:
        """Write what is missing around one action, and put it on record with the rest of its plan."""
        if not receipt.state.stands or receipt.state is ActionState.DRIFTED:
            return receipt, []
        if receipt.halted and self._orders.standing:
            return receipt, []
        missing = await self._actions[receipt.action.type].hold(self._cluster, receipt)
        if not missing:
            return receipt, []
        added = tuple(write for write in missing if write not in receipt.plan.writes)
        plan = receipt.plan.model_copy(update={"writes": (*receipt.plan.writes, *added)})
        receipt = await self._records.store(receipt.model_copy(update={"plan": plan, "halted": False}))
        if receipt.state.stands:
            await writing.apply(self._cluster, receipt.plan.model_copy(update={"writes": missing}))
            receipt = await unless_overtaken(self._cluster, self._records, receipt)
        return receipt, [f"held: {write}" for write in missing] if receipt.state.stands else []

    async def released(self, receipts: Sequence[Receipt]) -> tuple[Receipt, ...] | None:
        """Return the stack as put back where nothing whatsoever of it is left, though not by us; else None.

        Who takes everything away, in its order, is a person with `firebreak release`; who takes a part is not.
        """
        standing = [one for one in receipts if one.state.stands and one.plan.writes]
        sights = await every(look(self._cluster, write) for one in standing for write in one.plan.writes)
        left = any(sight.state is State.STANDS or sight.drift for sight in sights)
        if left or len(sights) < 2:
            return None
        gone = {"state": ActionState.REVERTED, "reason": RELEASED, "reverted_at": self._now()}
        return tuple(
            [
                await self._records.store(one.model_copy(update=gone)) if one.state.stands else one
                for one in receipts
            ]
        )

    async def reverted(self, receipt: Receipt, notes: list[str], *, force: bool, over: str = "") -> Receipt:
        """Put one action back, or say whose edit stopped us; `over` says why it has done what it was for."""
        if not receipt.state.stands:
            return receipt
        try:
            await writing.revert(self._cluster, receipt.plan, force=force)
        except Refused:
            if not await self._emptied(receipt):
                raise
        except Drifted as error:
            notes.append(f"stopped: {error}")
            return await self._records.store(
                receipt.model_copy(update={"state": ActionState.DRIFTED, "reason": str(error)})
            )
        notes.append(f"put back: {receipt.action.summary}")
        return await self._records.store(
            receipt.model_copy(
                update={
                    "state": ActionState.DONE if over else ActionState.REVERTED,
                    "reason": over,
                    "reverted_at": self._now(),
                }
            )
        )

    def until(self, request: ExtendRequest, receipts: Sequence[Receipt]) -> datetime:
        """Return until when a stack may stand, counted from when it was asked: a retry adds nothing.

        How much longer is what a person signed, or at most what the actions were given at first.
        """
        longest = max((receipt.action.ttl_seconds for receipt in receipts), default=0)
        said = request.approval.seconds if request.approval else 0
        seconds = max(0, said or min(request.seconds, longest))
        now = self._now()
        known = max((receipt.expires_at or now for receipt in receipts), default=now)
        asked = max((receipt.expires_at or now for receipt in request.stack.receipts), default=now)
        return max(known, min(known, asked) + timedelta(seconds=seconds))

    async def extended(self, receipt: Receipt, until: datetime, *, unasked: bool = False) -> Receipt:
        """Let one action stand until then, and count it if nobody said so; nothing happens where nothing stands."""
        if not receipt.state.stands or not await expiry.extend(self._cluster, receipt.plan.writes, until):
            return receipt
        times = receipt.extended + (unasked and receipt.expires_at != until)
        return await self._records.store(receipt.model_copy(update={"expires_at": until, "extended": times}))

    async def gone(self, receipts: Sequence[Receipt]) -> bool:
        """Return whether every pod that these actions hold is gone."""
        targets: dict[str, Entity] = {}
        for receipt in receipts:
            targets |= {target.key: target for target in receipt.action.targets}
        for target in targets.values():
            if await self._lives(target):
                return False
        return bool(targets)

    async def _lives(self, target: Entity) -> bool:
        """Return whether a pod is still there. A namespace that is deleted takes our rights in it along."""
        try:
            pod = await self._cluster.get(PODS.ref(target.name, target.namespace))
        except NotFound:
            return False
        except Refused:
            pods = await self._cluster.list(PODS, target.namespace)
            return any(pod["metadata"]["uid"] == target.uid for pod in pods)
        return bool(pod["metadata"]["uid"] == target.uid)

    async def _emptied(self, receipt: Receipt) -> bool:
        """Return whether nothing is left where an action wrote: its namespaces are deleted."""
        namespaces = {write.ref.namespace for write in receipt.plan.writes if write.ref.namespace}
        kinds = (PODS, NETWORK_POLICIES)
        left = await every(self._cluster.list(kind, one) for one in sorted(namespaces) for kind in kinds)
        return bool(namespaces) and not any(left)
