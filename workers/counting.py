"""One event for a flood: how often a suspicion was seen, across receivers, replicas and restarts.

The count is written down in the agent's bucket, by compare-and-set, before it is told. It is the revision of the
event as well: a repeated publish is the same message, and an alert that comes again changes nothing.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import msgspec

from activities.ports import KeyValue
from signals.errors import Conflict
from signals.telemetry.falco import Alert

WINDOW_SECONDS = 60
"""One event stands for what happened within so long of its first alert, by the alerts' own clock."""
SEEN_LIMIT = 2048
"""Alerts of one suspicion that are told apart from their repeats; of a longer flood, the latest."""
CACHE_LIMIT = 2000
"""Suspicions whose state is kept in memory as well, at most 16 KiB each."""
STATE_LIMIT = 100_000
"""Suspicions whose state is kept in the bucket by one process."""
FORGET_SECONDS = 900.0
"""How long after its last alert a state is kept."""
SWEEP_SECONDS = 30.0

_PREFIX = "count/"
_FINGERPRINT = 8
_STEPS = (1, 2, 5)
_SECOND = 10**9


class State(msgspec.Struct, frozen=True):
    """What the bucket holds of one suspicion: its current window, and eight bytes of each alert counted lately."""

    first: int
    count: int = 0
    seen: bytes = b""


@dataclass(frozen=True)
class Sighting:
    """One alert of a suspicion: when (ns since 1970), and what it shares with its repeats."""

    at: int
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Some sightings, counted. `taken` says how many of them, in order of time, belong to this event."""

    event: str
    count: int
    rises: bool
    """Whether these sightings brought the count over a step, of which everybody should know at once."""
    taken: int


def key_of(cluster: str, rule: str, subject: str, peer: str, process: str) -> str:
    """Return what makes two alerts the same suspicion."""
    return _digest(cluster, rule, subject, peer, process).hex()[:24]


def fingerprint(alert: Alert, sequence: int, position: int) -> bytes:
    """Return what an alert and its repeats share, whoever forwarded it: never falcosidekick's uuid.

    An alert without a time cannot be told from its repeats: its place in the feed stands for it.
    """
    told = str(alert.time) if alert.time else f"#{sequence}/{position}"
    parts = (alert.hostname, alert.rule, told, alert.text("container.id"), alert.text("proc.pid"))
    return _digest(*parts)[:_FINGERPRINT]


def steps_of(count: int) -> int:
    """Return how many of 1, 2, 5, 10, 20, 50, 100 … a count has reached."""
    steps, power = 0, 1
    while True:
        for step in _STEPS:
            if count < step * power:
                return steps
            steps += 1
        power *= 10


class Counting:
    """Counts sightings in one bucket."""

    def __init__(self, bucket: KeyValue) -> None:
        """Count in this bucket."""
        self._bucket = bucket
        self._cache: OrderedDict[str, tuple[int, State]] = OrderedDict()
        self._due: dict[str, float] = {}

    async def count(self, key: str, sightings: Sequence[Sighting]) -> Counted:
        """Count those of the sightings (in order of time) that belong to one event with the first of them.

        Raises:
            Unavailable: the bucket does not answer.
        """
        while True:
            with suppress(Conflict):  # another replica has counted meanwhile
                return await self._count(key, sightings)

    async def _count(self, key: str, sightings: Sequence[Sighting]) -> Counted:
        at = sightings[0].at
        place, entry, state = await self._window(key, at)
        members = [one for one in sightings if abs(one.at - state.first) < WINDOW_SECONDS * _SECOND]
        known = {state.seen[n : n + _FINGERPRINT] for n in range(0, len(state.seen), _FINGERPRINT)}
        fresh = [one for one in dict.fromkeys(one.fingerprint for one in members) if one not in known]
        count = state.count + len(fresh)
        if fresh:
            seen = (state.seen + b"".join(fresh))[-SEEN_LIMIT * _FINGERPRINT :]
            await self._keep(place, entry, State(first=state.first, count=count, seen=seen))
        return Counted(
            event=f"{key}-{_grid(state.first)}",
            count=max(count, 1),
            rises=steps_of(count) > steps_of(state.count),
            taken=len(members),
        )

    async def _window(self, key: str, at: int) -> tuple[str, int, State]:
        """Return where the state of the window that holds `at` is or will be, its revision there, and the state.

        What was seen before a new window is remembered in it: an alert that comes again is still no news.
        What is older than the current window has a place of its own.
        """
        entry, state = await self._read(key)
        if state is None:
            return key, entry, State(first=at)
        age = at - state.first
        if abs(age) < WINDOW_SECONDS * _SECOND:
            return key, entry, state
        if age > 0:
            return key, entry, State(first=at, seen=state.seen)
        place = f"{key}/{_grid(at)}"
        entry, state = await self._read(place)
        return place, entry, state or State(first=at)

    async def _read(self, place: str) -> tuple[int, State | None]:
        if cached := self._cache.get(place):
            return cached
        entry = await self._bucket.get(_PREFIX + place)
        if entry is None:
            return 0, None
        state = msgspec.msgpack.decode(entry.value, type=State)
        self._remember(place, entry.revision, state)
        return entry.revision, state

    async def _keep(self, place: str, entry: int, state: State) -> None:
        value = msgspec.msgpack.encode(state)
        self._cache.pop(place, None)
        if entry:
            entry = await self._bucket.update(_PREFIX + place, value, entry)
        else:
            entry = await self._bucket.create(_PREFIX + place, value)
        self._remember(place, entry, state)

    def _remember(self, place: str, entry: int, state: State) -> None:
        self._cache[place] = (entry, state)
        self._cache.move_to_end(place)
        if len(self._cache) > CACHE_LIMIT:
            self._cache.popitem(last=False)
        self._due.pop(place, None)
        self._due[place] = monotonic() + FORGET_SECONDS

    async def sweep(self) -> None:
        """Delete old states until cancelled, those of an earlier run too.

        Raises:
            Unavailable: the bucket does not answer.
        """
        for key in await self._bucket.keys():
            if key.startswith(_PREFIX):
                self._due.setdefault(key.removeprefix(_PREFIX), monotonic() + FORGET_SECONDS)
        while True:
            await self.forget(monotonic())
            await asyncio.sleep(SWEEP_SECONDS)

    async def forget(self, now: float) -> None:
        """Delete the states that are due before `now` (monotonic seconds), and the oldest of too many."""
        surplus = len(self._due) - STATE_LIMIT
        for number, (place, due) in enumerate(list(self._due.items())):
            if due >= now and number >= surplus:
                break
            await self._bucket.delete(_PREFIX + place)
            self._due.pop(place, None)
            self._cache.pop(place, None)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _grid(at: int) -> int:
    """Return the start of the minute that a time is in, in seconds: the same if everything is counted anew."""
    return at // _SECOND // WINDOW_SECONDS * WINDOW_SECONDS
