"""An attempt that was overtaken: while it wrote, somebody put back the very action that it writes."""

from activities import writing
from activities.ports import Cluster
from activities.records import Records
from signals.receipts import Receipt


async def unless_overtaken(cluster: Cluster, records: Records, receipt: Receipt) -> Receipt:
    """Return what was just written; where its record has ended meanwhile, take it back and return that record.

    Raises:
        Unavailable, Refused: as the servers say.
    """
    latest = await records.find(receipt.action.id)
    if latest is None or latest.state.stands:
        return receipt
    await writing.revert(cluster, receipt.plan, force=True)
    return latest
