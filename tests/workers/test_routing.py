"""One open incident for each target: replicas, redeliveries, names before UIDs, all at the same time."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.crds import MAX_TARGETS
from signals.entities import ClusterRef, Entity
from signals.threats import Severity, ThreatEvent
from tests.workflows.world import Bucket
from workers.routing import Routing, Way, apart
from workers.storm import MOST

CLUSTER = ClusterRef(name="test", uid="routes")
NOW = datetime(2026, 5, 4, tzinfo=UTC)
REPLICAS = 3


class Slow(Bucket):
    """A bucket whose answers come in any order, as over a network."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    async def get(self, key: str) -> Any:
        found = await super().get(key)
        await self._later()
        return found

    async def create(self, key: str, value: bytes) -> int:
        await self._later()
        return await super().create(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        await self._later()
        return await super().update(key, value, revision)

    async def _later(self) -> None:
        for _ in range(self._random.randint(0, 3)):
            await asyncio.sleep(0)


def pod(name: str = "web-0", uid: str | None = "u-0") -> Entity:
    return Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name=name, uid=uid)


def thing(kind: str, name: str) -> Entity:
    return Entity(cluster=CLUSTER, kind=kind, name=name, namespace="shop")


def event(name: str, subject: Entity, *others: Entity, detector: str = "reverse_shell") -> ThreatEvent:
    return ThreatEvent(
        id=name,
        cluster=CLUSTER,
        agent="runtime-guardian",
        detector=detector,
        rule="r",
        title="t",
        severity=Severity.HIGH,
        confidence=0.9,
        subject=subject,
        entities=others,
        observed_at=NOW,
    )


def replicas(bucket: Bucket) -> list[Routing]:
    return [Routing(bucket, CLUSTER) for _ in range(REPLICAS)]


async def route(routing: Routing, one: ThreatEvent, at: datetime = NOW) -> Way:
    """Route an event and join its keys, as the orchestrator does once Temporal has accepted it."""
    way = await routing.find(one, at)
    await routing.join(one, way.incident, at)
    return way


@pytest.mark.parametrize("seed", range(25))
async def test_a_pod_by_name_and_by_uid_at_the_same_time_is_one_incident(seed: int) -> None:
    tables = replicas(Slow(seed))
    events = [event(f"e{n}", pod(uid="u-0" if n % 2 else None)) for n in range(12)]
    ways = await asyncio.gather(*(route(tables[n % REPLICAS], one) for n, one in enumerate(events)))
    assert len({way.incident for way in ways}) == 1


@pytest.mark.parametrize("seed", range(25))
async def test_a_pod_is_in_one_incident_although_it_shares_something_with_another(seed: int) -> None:
    tables = replicas(Slow(seed))
    account = thing("ServiceAccount", "web")
    events = [
        event(f"e{n}", pod(f"web-{n % 3}", f"u-{n % 3}"), *([account] if n % 2 else [])) for n in range(18)
    ]
    ways = await asyncio.gather(*(route(tables[n % REPLICAS], one) for n, one in enumerate(events)))
    for number in range(3):
        own = {way.incident for n, way in enumerate(ways) if n % 3 == number}
        assert len(own) == 1, f"web-{number} is in {own}"


@pytest.mark.parametrize("seed", range(10))
async def test_in_a_storm_every_pod_is_in_one_incident(seed: int) -> None:
    tables = replicas(Slow(seed))
    events = [event(f"e{n}", pod(f"web-{n % 40}", f"u-{n % 40}")) for n in range(120)]
    ways = await asyncio.gather(*(route(tables[n % REPLICAS], one) for n, one in enumerate(events)))
    for number in range(40):
        assert len({way.incident for n, way in enumerate(ways) if n % 40 == number}) == 1
    assert len({way.incident for way in ways}) < 40


async def test_no_storm_takes_more_subjects_than_one_command_can_name() -> None:
    (table, *_) = replicas(Bucket())
    ways = [await route(table, event(f"e{n}", pod(f"web-{n}", f"u-{n}"))) for n in range(9 + 2 * MOST + 5)]
    storms = Counter(way.incident for way in ways if "-storm-" in way.incident)
    assert list(storms.values()) == [MOST, MOST, 5]
    assert MOST <= MAX_TARGETS


@pytest.mark.parametrize("seed", range(10))
async def test_after_a_close_one_incident_follows_whoever_saw_it_first(seed: int) -> None:
    tables = replicas(Slow(seed))
    closed = (await route(tables[0], event("e0", pod()))).incident
    followers = await asyncio.gather(
        *(
            tables[n % REPLICAS].reopen(event(f"n{n}", pod(uid="u-0" if n % 2 else None)), closed, NOW)
            for n in range(9)
        )
    )
    assert len(set(followers)) == 1
    assert closed not in followers
    assert (await tables[1].find(event("later", pod()), NOW)).incident == followers[0]


async def test_events_about_others_follow_a_closed_incident_together() -> None:
    (table, *_) = replicas(Slow(0))
    closed = (await route(table, event("e0", pod()))).incident
    other = event("e1", pod("web-1", "u-1"))
    await table.join(other, closed, NOW)
    first = await table.reopen(event("e2", pod()), closed, NOW)
    assert await table.reopen(other, closed, NOW, first) == first


async def test_a_new_pod_of_an_old_name_is_another_target() -> None:
    (table, *_) = replicas(Slow(0))
    old = await route(table, event("e0", pod(uid="u-0")))
    new = await route(table, event("e1", pod(uid="u-1")))
    again = await route(table, event("e2", pod(uid="u-0")))
    assert old.incident != new.incident
    assert again.incident == old.incident


async def test_what_is_shared_only_leads_for_a_while_and_a_subject_for_ever() -> None:
    (table, *_) = replicas(Slow(0))
    account = thing("ServiceAccount", "web")
    first = await route(table, event("e0", pod(), account))
    joined = await route(table, event("e1", pod("web-1", "u-1"), account))
    later = NOW + timedelta(hours=2)
    assert joined.incident == first.incident
    assert (await route(table, event("e2", pod()), later)).incident == first.incident
    assert (await route(table, event("e3", pod("web-2", "u-2"), account), later)).incident != first.incident


def test_events_that_share_nothing_find_their_way_side_by_side_and_others_in_order() -> None:
    pods = [event(f"e-{number}", pod(f"web-{number}", f"u-{number}")) for number in range(3)]
    shared = thing("Container", "c-1")
    events = [
        pods[0],
        pods[1],
        event("by-name", pod("web-0", None)),
        pods[2],
        event("both", shared, pod(), pods[1].subject),
    ]
    assert sorted(apart(events)) == [[0, 1, 2, 4], [3]]
