"""What belongs to a case. A label says so, and anybody who may label a pod can write one; the record proves it.

What the records prove is one stack, wherever it stands. What they do not know stands for itself in each namespace:
a forged piece in one namespace neither holds up nor hurries what stands in another.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from activities.records import Records
from activities.remains import Standing
from signals.errors import Unavailable
from signals.plans import ObjectRef
from signals.receipts import Receipt

PROVEN = ""
"""In place of a namespace: the stack that is on record."""


async def parts(stack: Sequence[Standing], records: Records, before: datetime) -> list[list[Standing]]:
    """Return what of one case goes together, if the time of any of it was up before then; nothing otherwise."""
    if not any(one.expires_at and one.expires_at <= before for one in stack):
        return []
    found: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in stack:
        proven = _names(await _record(one, records), one)
        found[PROVEN if proven else one.namespace].append(one)
    return [found[realm] for realm in sorted(found)]


async def _record(one: Standing, records: Records) -> Receipt | None:
    """Return the record of a piece; what stands is put back also where nothing can be looked up."""
    try:
        return await records.find(one.id) if one.id else None
    except Unavailable:
        return None


def _names(record: Receipt | None, one: Standing) -> bool:
    """Return whether a record is about this very piece."""
    if record is None or record.incident != one.incident:
        return False
    ours = {_name(write.ref) for write in record.plan.writes}
    return any(_name(write.ref) in ours for write in one.writes)


def _name(ref: ObjectRef) -> tuple[str, str | None, str]:
    return ref.resource, ref.namespace, ref.name
