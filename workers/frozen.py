"""How many pods were frozen, and on whose word: kept by the freezer itself, apart from the executor's counts."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from activities.ports import KeyValue, Manifest
from signals.approvals import Approval
from signals.errors import Conflict, Refused
from signals.policy import Caps

HOUR = timedelta(hours=1)
STANDING, STANDING_APPROVED = 50, 200
"""Freezes that stand at once without a person, and with one: each costs every write of every pod a little."""


class Entry(BaseModel, frozen=True):
    """One pod that was frozen."""

    uid: str
    namespace: str
    owner: str
    """UID of the workload that it belongs to; empty for a bare pod."""
    at: datetime
    approval: Approval | None = None


def owner_of(pod: Manifest) -> str:
    """Return the UID of the workload that controls a pod; empty where none does."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


class Frozen:
    """Who was frozen, by pod UID, in a durable bucket."""

    def __init__(
        self, bucket: KeyValue, caps: Caps, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Keep it in this bucket; `caps` says how many are frozen within an hour without a person."""
        self._bucket = bucket
        self._caps = caps
        self._now = now

    async def approval(self, uid: str) -> Approval | None:
        """Return the word on which a pod was frozen before: a freeze that somebody deleted comes back on it."""
        found = await self._bucket.get(uid)
        return Entry.model_validate_json(found.value).approval if found else None

    async def admit(self, pod: Manifest, standing: Sequence[Manifest], approval: Approval | None) -> None:
        """Return if one more pod may be frozen. What was frozen already may be again.

        Raises:
            Refused: a cap is reached; a person may decide otherwise, within bounds.
        """
        uid, namespace, owner = pod["metadata"]["uid"], pod["metadata"]["namespace"], owner_of(pod)
        most = STANDING if approval is None else STANDING_APPROVED
        if len([one for one in standing if one["metadata"]["name"] != uid]) >= most:
            raise Refused(f"{most} freezes stand in this cluster: release some first")
        recent = await self._recent()
        if approval is not None or any(entry.uid == uid for entry in recent):
            return
        of_owner = sum(bool(owner) and entry.owner == owner for entry in recent)
        near = sum(entry.namespace == namespace for entry in recent)
        spent = Counter(entry.namespace for entry in recent)  # beyond its share only where people approved
        shared = sum(min(number, self._caps.per_namespace) for number in spent.values())
        counts = (
            (of_owner, self._caps.per_owner, "this workload"),
            (near, self._caps.per_namespace, f"namespace {namespace}"),
            (shared, self._caps.per_cluster, "this cluster"),
        )
        for count, cap, what in counts:
            if count >= cap:
                noun = "pod" if count == 1 else "pods"
                raise Refused(f"{count} {noun} of {what} were frozen within the hour: a person must decide")

    async def note(self, pod: Manifest, approval: Approval | None) -> None:
        """Write down that a pod is being frozen, before it is."""
        uid = pod["metadata"]["uid"]
        entry = Entry(
            uid=uid,
            namespace=pod["metadata"]["namespace"],
            owner=owner_of(pod),
            at=self._now(),
            approval=approval,
        )
        text = entry.model_dump_json().encode()
        try:
            await self._bucket.create(uid, text)
        except Conflict:
            there = await self._bucket.get(uid)
            if there and approval is not None:
                await self._bucket.update(uid, text, there.revision)

    async def forget(self, standing: Sequence[Manifest]) -> None:
        """Forget what is neither counted any more nor stands."""
        names = {one["metadata"]["name"] for one in standing}
        for entry in await self._entries():
            if entry.uid not in names and self._now() - entry.at > HOUR:
                await self._bucket.delete(entry.uid)

    async def _recent(self) -> list[Entry]:
        return [entry for entry in await self._entries() if self._now() - entry.at <= HOUR]

    async def _entries(self) -> list[Entry]:
        found = await asyncio.gather(*(self._bucket.get(key) for key in await self._bucket.keys()))
        return [Entry.model_validate_json(one.value) for one in found if one is not None]
