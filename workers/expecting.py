"""What people expect of workloads, as the judge has it: taken from the liaison, kept in the orchestrator's bucket.

Nothing counts without the liaison's signature, read anew each time, and what was ended once never holds again:
who can write to the bucket or to the bus makes no exception, and brings none back.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import TypeAdapter, ValidationError

from activities.ports import Entry, KeyValue
from signals.entities import ClusterRef
from signals.envelope import Trust
from signals.errors import BadInput, Conflict, FirebreakError, Refused
from signals.exceptions import LONGEST, AlertException, Matched
from signals.subjects import LIAISON
from signals.threats import ThreatEvent

LOOK_SECONDS = 2.0
"""How often it is looked what another replica was told."""
KEPT = timedelta(days=30)
"""How long one that has ended is kept: what came while it held is judged by it for as long as that."""
MOST = 500
"""Exceptions that are kept at one time."""
LISTED = TypeAdapter(tuple[Matched, ...])
_SAID, _COUNTED = "exception.", "matched."

log = structlog.get_logger(__name__)


class Expecting:
    """The exceptions of one cluster."""

    def __init__(self, bucket: KeyValue, trust: Trust, cluster: ClusterRef) -> None:
        """Keep them in this bucket; believe these keys."""
        self._bucket, self._trust, self._cluster = bucket, trust, cluster
        self._known: dict[str, AlertException] = {}
        self._counts: dict[str, tuple[int, datetime]] = {}
        """Matches that are not yet on record."""
        self._recording = asyncio.Lock()

    def all(self) -> tuple[AlertException, ...]:
        """Return every exception that holds, or has held lately; each knows what it covers."""
        return tuple(self._known.values())

    def count(self, events: Iterable[ThreatEvent]) -> None:
        """Count what arrived by the exceptions that cover it."""
        for event in events:
            for one in self._known.values():
                if one.covers(event):
                    before = self._counts.get(one.id, (0, event.observed_at))
                    self._counts[one.id] = (before[0] + 1, max(before[1], event.observed_at))

    async def run(self) -> None:
        """Look for ever what others were told, and put on record what was counted."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.load()
                await self._record()
            except FirebreakError as error:
                log.warning("exceptions are looked at later", error=str(error))

    async def load(self) -> None:
        """Take in what is on record, and forget what ended long ago.

        Raises:
            Unavailable: the bucket does not answer.
        """
        long_ago = datetime.now(UTC) - KEPT
        for key in await self._bucket.keys():
            entry = await self._bucket.get(key) if key.startswith(_SAID) else None
            if entry is None:
                continue
            try:
                one = self._proved(entry.value)
            except (Refused, BadInput) as error:
                log.error("an exception on record is none", key=key, error=str(error))
                continue
            if one.ends < long_ago:
                await self._bucket.delete(key)
                await self._bucket.delete(_COUNTED + one.id)
            else:
                self._take(one)
        self._known = {name: one for name, one in self._known.items() if one.ends >= long_ago}

    async def answer(self, payload: bytes) -> bytes:
        """Take in one exception, made or ended, and return it as it is kept; without one, return all.

        Raises:
            BadInput: it is none, or there are too many.
            Refused: the liaison does not vouch for it.
            Unavailable: the bucket does not answer; nothing was taken in.
        """
        if payload:
            one = self._proved(payload)
            holding = sum(known.ends > datetime.now(UTC) for known in self._known.values())
            if holding >= MOST and one.id not in self._known:
                raise BadInput(f"there are {MOST} exceptions already: end some, or change the policy")
            await self._keep(one)
            return self._known[one.id].model_dump_json().encode()
        await self._record()
        found = [await self._matched(one) for one in self.all()]
        return LISTED.dump_json(tuple(sorted(found, key=lambda one: one.exception.made_at, reverse=True)))

    def _proved(self, payload: bytes) -> AlertException:
        try:
            one = AlertException.model_validate_json(payload)
        except ValidationError as error:
            raise BadInput(f"not an exception: {error.errors()[0]['msg']}") from error
        self._trust.check_sealed(LIAISON, one)
        if one.cluster.uid != self._cluster.uid:
            raise Refused(f"the exception is about cluster {one.cluster}, not {self._cluster}")
        if one.until - one.made_at > LONGEST:
            raise Refused(f"an exception holds for {LONGEST.days} days at most")
        return one

    def _take(self, one: AlertException) -> None:
        """Know this one, unless it was ended sooner than it says."""
        known = self._known.get(one.id)
        if known is None or one.ends < known.ends:
            self._known[one.id] = one

    async def _keep(self, one: AlertException) -> None:
        key = _SAID + one.id
        while True:
            entry = await self._bucket.get(key)
            if entry is not None:
                self._take(self._proved(entry.value))
            self._take(one)
            value = self._known[one.id].model_dump_json().encode()
            if await self._put(key, value, entry):
                return

    async def _put(self, key: str, value: bytes, entry: Entry | None) -> bool:
        """Write a key; False if somebody else wrote it first."""
        try:
            if entry is None:
                await self._bucket.create(key, value)
            elif entry.value != value:
                await self._bucket.update(key, value, entry.revision)
        except Conflict:
            return False
        return True

    async def _record(self) -> None:
        """Add what was counted to what is on record."""
        async with self._recording:
            for name in list(self._counts):
                entry = await self._bucket.get(_COUNTED + name)
                before, last = _counted(entry)
                count, at = self._counts.pop(name)
                text = f"{before + count} {max(at, last or at).isoformat()}"
                written = False
                try:
                    written = await self._put(_COUNTED + name, text.encode(), entry)
                finally:
                    if not written:
                        more, later = self._counts.get(name, (0, at))
                        self._counts[name] = (more + count, max(later, at))

    async def _matched(self, one: AlertException) -> Matched:
        count, last = _counted(await self._bucket.get(_COUNTED + one.id))
        return Matched(exception=one, matched=count, last=last)


def _counted(entry: Entry | None) -> tuple[int, datetime | None]:
    if entry is None:
        return 0, None
    count, at = entry.value.decode().split()
    return int(count), datetime.fromisoformat(at)
