"""How often something may be done that cannot be taken back: slots by the hour, for owner, namespace and cluster.

Evictions and freezes are counted apart, each in one entry of the executor's bucket, changed by compare-and-set: the
count outlives a restart and replicas share it, and the same action takes the same slots however often it is tried.
The cluster's cap is a multiple of a namespace's, so that no namespace can spend another's.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from activities.limits import HOUR, Limit
from activities.ports import PODS, Cluster, KeyValue, Manifest
from signals.errors import Conflict, NotFound
from signals.policy import Policy
from signals.receipts import Receipt

CAPPED = {"evict_pod": "eviction", "freeze_credentials": "freeze"}
"""Actions that count, and how one of them is called."""
EVICT = "evict_pod"
WINDOW = timedelta(hours=1)
MOST_INFECTED = 500
"""Infected pods that are remembered."""


class Slot(BaseModel, frozen=True):
    """One thing that was done to one pod."""

    action: str
    namespace: str
    owner: str
    at: datetime


class Infected(BaseModel, frozen=True):
    """One pod that was to be evicted, when it was made, and when it was found out."""

    owner: str
    pod: str
    born: datetime
    at: datetime


class Taken(BaseModel, frozen=True):
    """Everything of one kind that was done, or wanted, within the last hour."""

    slots: tuple[Slot, ...] = ()
    infected: tuple[Infected, ...] = ()

    def since(self, start: datetime) -> "Taken":
        """Return what is not older than that."""
        return Taken(
            slots=tuple(slot for slot in self.slots if slot.at > start),
            infected=tuple(pod for pod in self.infected if pod.at > start)[-MOST_INFECTED:],
        )


@dataclass(frozen=True)
class Target:
    """One live pod that an action is about."""

    namespace: str
    name: str
    uid: str
    owner: str
    """UID of what controls it; its own where nothing does."""
    owner_name: str
    born: datetime


def _target(pod: Manifest) -> Target:
    metadata = pod["metadata"]
    controllers = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
    owner = controllers[0] if controllers else {"uid": metadata["uid"], "kind": "Pod", **metadata}
    return Target(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        owner=owner["uid"],
        owner_name=f"{owner['kind'].lower()}/{metadata['namespace']}/{owner['name']}",
        born=datetime.fromisoformat(metadata["creationTimestamp"]),
    )


class Caps:
    """Gives slots out, and says when there are none left."""

    def __init__(
        self, cluster: Cluster, bucket: KeyValue, policy: Policy, now: Callable[[], datetime]
    ) -> None:
        """Look at this cluster, count in this bucket, by this policy's caps."""
        self._cluster = cluster
        self._bucket = bucket
        self._policy = policy
        self._now = now
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take(self, receipt: Receipt) -> Limit | None:
        """Take the slots of an action that is about to be written; return why a person must decide instead.

        What a person has approved takes its slots whatever the limits are. An action that is not capped needs none.

        Raises:
            Unavailable: the bucket or the API server does not answer, so nothing may be written.
        """
        kind = receipt.action.type
        if kind not in CAPPED:
            return None
        targets = await self._targets(receipt)
        if not targets:
            return None
        async with self._turns[kind]:
            while True:
                try:
                    return await self._once(kind, receipt, targets)
                except Conflict:
                    continue

    async def room(self, receipt: Receipt) -> Limit | None:
        """Return why a person must decide about an action, without taking a slot: it may not come about.

        Raises:
            Unavailable: the bucket or the API server does not answer.
        """
        kind = receipt.action.type
        targets = await self._targets(receipt) if kind in CAPPED and not receipt.approved_by else []
        if not targets:
            return None
        known, _ = await self._known(kind)
        if any(slot.action == receipt.action.id for slot in known.slots):
            return None
        return self._limit(kind, known, targets, self._now())

    async def _known(self, kind: str) -> tuple[Taken, int | None]:
        """Return what was done within the hour, and the revision to write over."""
        entry = await self._bucket.get(f"caps.{kind}")
        known = Taken.model_validate_json(entry.value) if entry else Taken()
        return known.since(self._now() - WINDOW), entry.revision if entry else None

    async def _targets(self, receipt: Receipt) -> list[Target]:
        """Return those that still live."""
        found: list[Target] = []
        for entity in receipt.action.targets:
            try:
                pod = await self._cluster.get(PODS.ref(entity.name, entity.namespace))
            except NotFound:
                continue
            if pod["metadata"]["uid"] == entity.uid:
                found.append(_target(pod))
        return found

    async def _once(self, kind: str, receipt: Receipt, targets: Sequence[Target]) -> Limit | None:
        now = self._now()
        known, revision = await self._known(kind)
        if any(slot.action == receipt.action.id for slot in known.slots):
            return None
        limit = None if receipt.approved_by else self._limit(kind, known, targets, now)
        after = known.model_copy(update={"infected": _spread(known, targets, now)})
        if limit is None:
            slots = [
                Slot(action=receipt.action.id, namespace=one.namespace, owner=one.owner, at=now)
                for one in targets
            ]
            after = after.model_copy(update={"slots": (*known.slots, *slots)})
        if after != known:
            await self._write(f"caps.{kind}", after, revision)
        return limit

    async def _write(self, key: str, taken: Taken, revision: int | None) -> None:
        body = taken.model_dump_json().encode()
        if revision is None:
            await self._bucket.create(key, body)
        else:
            await self._bucket.update(key, body, revision)

    def _limit(self, kind: str, known: Taken, targets: Sequence[Target], now: datetime) -> Limit | None:
        """Return the first limit that this would break."""
        for namespace in sorted({target.namespace for target in targets}):
            here = [target for target in targets if target.namespace == namespace]
            why = (
                self._policy.frozen(namespace, now)
                or (_reinfected(known, here, self._policy.caps.reinfections) if kind == EVICT else "")
                or self._full(CAPPED[kind], known.slots, namespace, here)
            )
            if why:
                return Limit(reason=why, group=f"caps/{namespace}/{now:{HOUR}}")
        return None

    def _full(self, what: str, slots: Sequence[Slot], namespace: str, here: Sequence[Target]) -> str:
        """Return which cap has no room for these."""
        caps = self._policy.caps
        for target in here:
            asked = sum(other.owner == target.owner for other in here)
            if _count(slot.owner == target.owner for slot in slots) + asked > caps.per_owner:
                return f"the cap of {_times(caps.per_owner, what)} an hour for {target.owner_name} is reached"
        if _count(slot.namespace == namespace for slot in slots) + len(here) > caps.per_namespace:
            return f"the cap of {_times(caps.per_namespace, what)} an hour in {namespace} is reached"
        # What people approved beyond a namespace's own share spends nobody else's.
        spent = Counter(slot.namespace for slot in slots)
        shared = sum(min(number, caps.per_namespace) for number in spent.values())
        if shared + len(here) > caps.per_cluster:
            return f"the cap of {_times(caps.per_cluster, what)} an hour in the cluster is reached"
        return ""


def _count(found: Iterable[bool]) -> int:
    return sum(found)


def _times(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _spread(known: Taken, targets: Sequence[Target], now: datetime) -> tuple[Infected, ...]:
    """Return the infected pods with these, each once."""
    seen = {one.pod for one in known.infected}
    new = [
        Infected(owner=one.owner, pod=one.uid, born=one.born, at=now)
        for one in targets
        if one.uid not in seen
    ]
    return (*known.infected, *new)


def _reinfected(known: Taken, targets: Sequence[Target], most: int) -> str:
    """Return whether new pods of a workload are infected again: to evict one only makes the next."""
    for target in targets:
        before = [one for one in known.infected if one.owner == target.owner]
        earliest = min((one.at for one in before), default=None)
        if earliest is None:
            continue
        first = earliest.replace(microsecond=0)  # the API server tells births in whole seconds
        again = {one.pod for one in before if one.born >= first}
        if target.born >= first:
            again.add(target.uid)
        if len(again) >= most:
            times = "once" if len(again) == 1 else f"{len(again)} times"
            return (
                f"the image or its source re-infects: new pods of {target.owner_name} were infected {times} "
                f"within an hour, and an eviction would only make the next"
            )
    return ""
