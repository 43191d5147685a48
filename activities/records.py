"""What the executor has done, kept by itself: an action's plan and inverse are on record before its first write.

A record is created once and an existing one wins: overlapping attempts of one action agree on what it is. What a
workflow says about an action is only its id.
"""

from collections.abc import Collection

from activities.ports import KeyValue
from signals.errors import Conflict, Refused
from signals.receipts import ActionState, Receipt
from signals.requests import StackRequest


class Records:
    """Receipts by action id, in a durable bucket."""

    def __init__(self, bucket: KeyValue) -> None:
        """Keep them in this bucket."""
        self._bucket = bucket

    async def find(self, action_id: str) -> Receipt | None:
        """Return what is on record about an action, if anything is."""
        entry = await self._bucket.get(action_id)
        return Receipt.model_validate_json(entry.value) if entry else None

    async def remember(self, receipt: Receipt) -> Receipt:
        """Put a new action on record. Who comes second gets the first one's record back."""
        try:
            await self._bucket.create(receipt.action.id, receipt.model_dump_json().encode())
        except Conflict:
            return await self.find(receipt.action.id) or receipt
        return receipt

    async def store(self, receipt: Receipt) -> Receipt:
        """Write what became of an action over its record; return what stands on record in the end.

        What has ended stays so: an attempt that was overtaken by an undo does not bring it back.
        """
        while True:
            entry = await self._bucket.get(receipt.action.id)
            if entry is None:
                return receipt
            there = Receipt.model_validate_json(entry.value)
            if not there.state.stands:
                return there
            try:
                await self._bucket.update(
                    receipt.action.id, receipt.model_dump_json().encode(), entry.revision
                )
            except Conflict:
                continue
            return receipt

    async def move(self, receipt: Receipt, *, before: Collection[ActionState]) -> Receipt:
        """Write over the record of an action that is in one of these states; return what stands in the end."""
        while True:
            entry = await self._bucket.get(receipt.action.id)
            if entry is None:
                return receipt
            there = Receipt.model_validate_json(entry.value)
            if there.state not in before:
                return there
            try:
                await self._bucket.update(
                    receipt.action.id, receipt.model_dump_json().encode(), entry.revision
                )
            except Conflict:
                continue
            return receipt

    async def replace(self, known: Receipt, other: Receipt) -> Receipt:
        """Write another plan over a known one; return what stands on record in the end, whoever wrote it."""
        while True:
            entry = await self._bucket.get(known.action.id)
            if entry is None:
                return other
            there = Receipt.model_validate_json(entry.value)
            if (there.plan, there.state) != (known.plan, known.state):
                return there
            try:
                await self._bucket.update(known.action.id, other.model_dump_json().encode(), entry.revision)
            except Conflict:
                continue
            return other

    async def of(self, stack: StackRequest, cluster_uid: str) -> tuple[Receipt, ...]:
        """Return our own records of a stack, oldest first.

        Raises:
            Refused: the stack is of another cluster, or one of its actions is not on record here.
        """
        if stack.cluster.uid != cluster_uid:
            raise Refused(f"this stack stands in cluster {stack.cluster}, not in this one")
        known = [await self.find(receipt.action.id) for receipt in stack.receipts]
        mine = [record for record in known if record is not None and record.incident == stack.incident]
        if len(mine) != len(stack.receipts):
            raise Refused("an action of this stack is not on record here: use `firebreak release`")
        return tuple(sorted(mine, key=lambda record: record.action.index))
