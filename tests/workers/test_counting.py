"""One event for a flood, however the alerts come: counted in a real bucket, by several replicas."""

import asyncio
import uuid
from time import monotonic

import pytest

from activities.ports import KeyValue
from signals.detector import record
from signals.subjects import RUNTIME_GUARDIAN, state_bucket
from signals.telemetry.falco import Alert
from tests.nats_server import NatsServer, connected, nats_server
from workers.counting import FORGET_SECONDS, SEEN_LIMIT, Counting, Sighting, fingerprint, key_of, steps_of

__all__ = ["nats_server"]

SECOND = 10**9
NOON = 1767268800 * SECOND
BUCKET = state_bucket(RUNTIME_GUARDIAN)


def sightings(*offsets: float, start: int = 0) -> list[Sighting]:
    """Return sightings so many seconds after noon, each another alert."""
    return [
        Sighting(NOON + int(offset * SECOND), (start + number).to_bytes(8))
        for number, offset in enumerate(offsets)
    ]


def key() -> str:
    return uuid.uuid4().hex[:24]


@pytest.mark.parametrize(
    ("count", "steps"), [(0, 0), (1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4), (500, 9), (10_000, 13)]
)
def test_a_count_is_told_at_once_by_steps(count: int, steps: int) -> None:
    assert steps_of(count) == steps


def test_what_makes_two_alerts_the_same_suspicion() -> None:
    mine = ("c-1", "R", "pod", "1.2.3.4", "sh /bin/sh")
    assert key_of(*mine) == key_of(*mine)
    for place in range(5):
        changed = [*mine]
        changed[place] = "other"
        assert key_of(*changed) != key_of(*mine)
    assert key_of("a", "b\x1f", "c", "d", "e") != key_of("a", "b", "\x1fc", "d", "e")


def test_repeats_share_what_falco_says_and_never_what_a_receiver_adds() -> None:
    def alert(rule: str = "R", at: int | None = 5, host: str = "n", **fields: str) -> Alert:
        seen = record(rule, {"container.id": "c", "proc.pid": 7, **fields})
        return Alert(rule=seen.rule, sha256=uuid.uuid4().hex, hostname=host, time=at, fields=seen.fields)

    assert fingerprint(alert(), 1, 0) == fingerprint(alert(uuid="x"), 2, 9)
    assert fingerprint(alert(), 1, 0) != fingerprint(alert(rule="S"), 1, 0)
    assert fingerprint(alert(), 1, 0) != fingerprint(alert(at=6), 1, 0)
    assert fingerprint(alert(), 1, 0) != fingerprint(alert(host="m"), 1, 0)
    assert fingerprint(alert(at=None), 1, 0) == fingerprint(alert(at=None), 1, 0)
    assert fingerprint(alert(at=None), 1, 0) != fingerprint(alert(at=None), 2, 0)


@pytest.mark.stack
class TestInABucket:
    """Against a real bucket."""

    async def test_the_first_alert_is_told_at_once(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counted = await Counting(bus.kv(BUCKET)).count(key(), sightings(0))
        assert (counted.count, counted.rises, counted.taken) == (1, True, 1)

    async def test_a_flood_is_one_event_and_rises_by_steps(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counting, name = Counting(bus.kv(BUCKET)), key()
            results = [await counting.count(name, sightings(n / 10, start=n)) for n in range(12)]
        assert len({one.event for one in results}) == 1
        assert [one.count for one in results] == list(range(1, 13))
        assert [one.count for one in results if one.rises] == [1, 2, 5, 10]

    async def test_an_exact_repeat_is_not_counted(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counting, name = Counting(bus.kv(BUCKET)), key()
            first = await counting.count(name, sightings(0, 1, 2))
            again = await counting.count(name, [*sightings(0, 1, 2), *sightings(0, 1, 2)])
        assert (first.count, first.rises) == (3, True)
        assert (again.count, again.rises, again.event) == (3, False, first.event)

    async def test_a_window_begins_with_its_first_alert(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counting, name = Counting(bus.kv(BUCKET)), key()
            across = await counting.count(name, sightings(50, 70, 109))
            late = await counting.count(name, sightings(45, start=10))
            following = await counting.count(name, sightings(110, 115, start=20))
        assert (across.count, across.taken) == (3, 3)
        assert (late.event, late.count) == (across.event, 4)
        assert following.event != across.event
        assert following.count == 2

    async def test_alerts_of_two_windows_in_one_batch_are_taken_one_window_at_a_time(
        self, nats_server: NatsServer
    ) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counting, name, given = Counting(bus.kv(BUCKET)), key(), sightings(0, 10, 100, 110)
            first = await counting.count(name, given)
            second = await counting.count(name, given[first.taken :])
        assert (first.taken, second.taken) == (2, 2)
        assert first.event != second.event

    async def test_an_alert_older_than_the_window_has_an_event_of_its_own(
        self, nats_server: NatsServer
    ) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            counting, name = Counting(bus.kv(BUCKET)), key()
            old = await counting.count(name, sightings(0))
            await counting.count(name, sightings(300, start=1))
            again = await counting.count(name, sightings(0))
            other = await counting.count(name, sightings(-600, start=2))
        assert (again.event, again.count) == (old.event, 1)
        assert other.event != old.event

    async def test_the_count_survives_a_restart(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            name = key()
            await Counting(bus.kv(BUCKET)).count(name, sightings(0, 1, 2))
            counted = await Counting(bus.kv(BUCKET)).count(name, sightings(2, 3, start=2))
        assert (counted.count, counted.rises) == (4, False)

    async def test_replicas_count_together(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            name = key()
            replicas = [Counting(bus.kv(BUCKET)) for _ in range(4)]
            results = await asyncio.gather(
                *(replicas[n % 4].count(name, sightings(n / 10, start=n)) for n in range(40))
            )
        assert max(one.count for one in results) == 40
        assert sorted(one.count for one in results if one.rises) == [1, 2, 5, 10, 20]
        assert len({one.event for one in results}) == 1

    async def test_a_long_flood_stays_small(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            bucket, name = bus.kv(BUCKET), key()
            many = sightings(*(n / 1000 for n in range(SEEN_LIMIT + 500)))
            counted = await Counting(bucket).count(name, many)
            entry = await bucket.get(f"count/{name}")
        assert counted.count == SEEN_LIMIT + 500
        assert entry is not None
        assert len(entry.value) < SEEN_LIMIT * 8 + 100

    async def test_old_counts_are_forgotten(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            bucket, name = bus.kv(BUCKET), key()
            counting = Counting(bucket)
            first = await counting.count(name, sightings(0))
            await counting.forget(monotonic())
            assert await present(bucket, name)
            await counting.forget(monotonic() + FORGET_SECONDS + 1)
            assert not await present(bucket, name)
            again = await counting.count(name, sightings(0))
        assert (again.event, again.count) == (first.event, 1)

    async def test_what_an_earlier_run_left_is_forgotten_too(self, nats_server: NatsServer) -> None:
        async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
            bucket, name = bus.kv(BUCKET), key()
            await Counting(bucket).count(name, sightings(0))
            later = Counting(bucket)
            sweeping = asyncio.create_task(later.sweep())
            await asyncio.sleep(0.3)
            sweeping.cancel()
            await later.forget(monotonic() + FORGET_SECONDS + 1)
            assert not await present(bucket, name)


async def present(bucket: KeyValue, name: str) -> bool:
    return await bucket.get(f"count/{name}") is not None
