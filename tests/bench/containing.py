"""From an alert to the first write of its containment: at a steady rate, in bursts, and as one storm."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio.worker import Worker

from activities.ports import Resource
from tests.bench.ceiling import QUEUE, Bare, CeilingWorkflow, Writing
from tests.bench.frame import Goal, Group, Row, Run
from tests.bench.ground import Ground, Victim, ground_of

SAMPLES = 60
PER_SECOND = 10
BURSTS = {100: (4.0, 1.5), 500: (20.0, 5.0)}
"""Size of a burst, and the seconds that are promised: as incidents, and as one storm."""
REVIEW = Resource("authentication.k8s.io", "v1", "selfsubjectreviews").ref("")
BARE = "one activity that creates one bare NetworkPolicy"


def spread(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[
        min(len(ordered) - 1, round(len(ordered) * 0.99))
    ] * 1000


async def paced(what: Callable[[int], Awaitable[datetime]], count: int) -> list[datetime]:
    """Do something so many times a second; return when each was accepted."""
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(_one(what, number)))
        await asyncio.sleep(1 / PER_SECOND)
    return list(await asyncio.gather(*tasks))


async def _one(what: Callable[[int], Awaitable[datetime]], number: int) -> datetime:
    return await what(number)


async def ceiling(ground: Ground, samples: int) -> tuple[float, float]:
    """Measure one activity with one bare create, at the same rate on the same servers: p50 and p99, in ms."""
    victims = await ground.victims(samples)
    who = await ground.cluster.create(
        REVIEW, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    )
    user = who["status"]["userInfo"]["username"]
    before = {name: len(stamps) for name, stamps in ground.writes(spaces(victims), user).items()}

    async def start(number: int) -> datetime:
        asked = datetime.now(UTC)
        bare = Bare(victims[number].scene.namespace)
        await ground.temporal.start_workflow(
            CeilingWorkflow.run,
            id=f"bench-{bare.namespace}",
            task_queue=QUEUE,
            start_signal="go",
            start_signal_args=[bare],
            task_timeout=timedelta(seconds=3),
        )
        return asked

    async with Worker(
        ground.temporal,
        task_queue=QUEUE,
        workflows=[CeilingWorkflow],
        activities=[Writing(ground.cluster).write_bare],
        build_id="bench",
    ):
        accepted = await paced(start, samples)
        await asyncio.sleep(3)
    stamps = ground.writes(spaces(victims), user)
    return spread(
        [
            (
                stamps[victim.scene.namespace][before[victim.scene.namespace]] - accepted[number]
            ).total_seconds()
            for number, victim in enumerate(victims)
        ]
    )


async def latency(ground: Ground, samples: int) -> tuple[float, float]:
    """Measure alert accepted → first containment write: p50 and p99, in ms."""
    victims = await ground.victims(samples)
    accepted = await paced(lambda number: ground.attack(victims[number]), samples)
    await ground.contained(victims)
    stamps = ground.writes(spaces(victims))
    return spread(
        [
            max(0.0, (stamps[victim.scene.namespace][0] - accepted[number]).total_seconds())
            for number, victim in enumerate(victims)
        ]
    )


async def burst(ground: Ground, size: int, *, together: bool) -> tuple[float, float]:
    """Measure a burst of compromised pods: seconds until all alerts are answered, and until all are isolated."""
    victims = await ground.victims(size, together=together)
    began = datetime.now(UTC)
    await asyncio.gather(*(ground.attack(victim) for victim in victims))
    answered = datetime.now(UTC)
    await ground.contained(victims)
    stamps = [stamp for each in ground.writes(spaces(victims)).values() for stamp in each]
    return (answered - began).total_seconds(), (max(stamps) - began).total_seconds()


def spaces(victims: list[Victim]) -> list[str]:
    """Return the namespaces of some victims."""
    return sorted({victim.scene.namespace for victim in victims})


async def measure(run: Run) -> AsyncIterator[Row]:
    """Measure all of it on one stack."""
    async with ground_of(run) as ground:
        samples = run.count(SAMPLES)
        bare = await ceiling(ground, samples)
        ours = await latency(ground, samples)
        for name, place, most in (("p50", 0, 1.5), ("p99", 1, 3.0)):
            yield Row(
                name=f"alert → first write, {PER_SECOND}/s, {name}",
                value=ours[place],
                unit="ms",
                goal=Goal(limit=most, ratio=True),
                ceiling=bare[place],
                of=BARE,
            )
        for size, limits in BURSTS.items():
            for together, most in zip((False, True), limits, strict=True):
                answered, isolated = await burst(ground, run.count(size), together=together)
                yield Row(
                    name=f"burst of {size} as {'one storm' if together else 'incidents'}",
                    value=isolated,
                    unit="s",
                    goal=Goal(limit=most),
                    more={"alerts_answered_s": answered},
                )


GROUP = Group("containing", "alert → containment, at a rate and in bursts", measure)
