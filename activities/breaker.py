"""How much of a namespace stands under containment, counted so that two writes at one time both count.

The labels on its pods say what stands; what is about to be written is reserved first, in the executor's bucket, by
compare-and-set. So replicas, retries and a burst of incidents see one count, and one namespace cannot spend
another's.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil

from pydantic import BaseModel

from activities.limits import HOUR, Limit
from activities.ports import KeyValue, Manifest
from activities.records import Records
from signals.errors import Conflict
from signals.policy import Policy
from signals.subjects import MARK_PREFIX

SETTLED = timedelta(minutes=2)
"""After so long what was reserved is written and marked, or is looked up on record."""


class Reservation(BaseModel, frozen=True):
    """What one action is about to contain."""

    action: str
    owners: tuple[str, ...]
    at: datetime


class Reserved(BaseModel, frozen=True):
    """Everything that is about to be contained in one namespace."""

    reservations: tuple[Reservation, ...] = ()


def owners_of(pods: Iterable[Manifest]) -> set[str]:
    """Return the UIDs of the workloads that pods belong to. A bare pod has none: nobody else depends on it."""
    return {
        str(owner["uid"])
        for pod in pods
        for owner in pod["metadata"].get("ownerReferences") or []
        if owner.get("controller")
    }


def _marked(pod: Manifest) -> bool:
    return any(key.startswith(MARK_PREFIX) for key in pod["metadata"].get("labels") or {})


class Breaker:
    """Says when so much of a namespace is contained that a person must decide about the rest."""

    def __init__(self, bucket: KeyValue, policy: Policy, now: Callable[[], datetime]) -> None:
        """Count in this bucket, by this policy's share."""
        self._bucket = bucket
        self._records = Records(bucket)
        self._policy = policy
        self._now = now
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reserve(self, action: str, crowd: Sequence[Manifest], uids: set[str | None]) -> Limit | None:
        """Reserve what an action contains among the pods of a namespace; return why a person must decide instead.

        The same action reserves once, however often it is tried.

        Raises:
            Unavailable: the bucket does not answer, so nothing may be written.
        """
        asked = owners_of(pod for pod in crowd if pod["metadata"]["uid"] in uids)
        if not asked:
            return None
        namespace = str(crowd[0]["metadata"]["namespace"])
        async with self._turns[namespace]:
            while True:
                try:
                    return await self._once(namespace, action, crowd, asked)
                except Conflict:
                    continue

    async def _once(
        self, namespace: str, action: str, crowd: Sequence[Manifest], asked: set[str]
    ) -> Limit | None:
        key = f"breaker.{namespace}"
        entry = await self._bucket.get(key)
        known = Reserved.model_validate_json(entry.value) if entry else Reserved()
        owners, marked = owners_of(crowd), owners_of(filter(_marked, crowd))
        live = [one for one in known.reservations if await self._live(one, marked)]
        if any(one.action == action for one in live):
            return None
        held = marked | {owner for one in live for owner in one.owners if owner in owners}
        breaker = self._policy.breaker
        allowed = max(breaker.floor, ceil(len(owners) * breaker.owners_percent / 100))
        if not asked <= held and len(held | asked) > allowed:
            reason = (
                f"{len(held)} of {len(owners)} workloads of {namespace} stand under containment: "
                f"the breaker allows {allowed}"
            )
            return Limit(reason=reason, group=f"breaker/{namespace}/{self._now():{HOUR}}")
        mine = Reservation(action=action, owners=tuple(sorted(asked)), at=self._now())
        body = Reserved(reservations=(*live, mine)).model_dump_json().encode()
        if entry is None:
            await self._bucket.create(key, body)
        else:
            await self._bucket.update(key, body, entry.revision)
        return None

    async def _live(self, one: Reservation, marked: set[str]) -> bool:
        """Return whether a reservation counts beside what the pods themselves say."""
        age = self._now() - one.at
        if age < SETTLED:
            return True
        if age > timedelta(hours=1) or set(one.owners) <= marked:
            return False
        record = await self._records.find(one.action)
        return record is not None and record.state.stands
