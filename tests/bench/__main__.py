"""Runs every measurement, prints a table, and writes it as JSON.

`python -m tests.bench graph` measures only the engines that need no stack.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.worker import Worker

from activities.ports import Resource
from tests.bench import graph, store
from tests.bench.ceiling import QUEUE, Bare, CeilingWorkflow, Writing
from tests.bench.ground import Ground, Victim, broken

SAMPLES = 60
PER_SECOND = 10
BURST = 100
REVIEW = Resource("authentication.k8s.io", "v1", "selfsubjectreviews").ref("")

Figures = dict[str, float | str]


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


async def ceiling(ground: Ground) -> Figures:
    """Measure one activity with one bare create, at the same rate on the same servers."""
    victims = await ground.victims(SAMPLES)
    who = await ground.cluster.create(
        REVIEW, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    )
    user = who["status"]["userInfo"]["username"]
    before = {name: len(stamps) for name, stamps in ground.writes(_spaces(victims), user).items()}

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
        accepted = await paced(start, SAMPLES)
        await asyncio.sleep(3)
    stamps = ground.writes(_spaces(victims), user)
    took = [
        (stamps[victim.scene.namespace][before[victim.scene.namespace]] - accepted[number]).total_seconds()
        for number, victim in enumerate(victims)
    ]
    p50, p99 = spread(took)
    return {"p50_ms": p50, "p99_ms": p99}


async def latency(ground: Ground) -> Figures:
    """Measure alert accepted → first containment write."""
    victims = await ground.victims(SAMPLES)
    accepted = await paced(lambda number: ground.attack(victims[number]), SAMPLES)
    await ground.contained(victims)
    stamps = ground.writes(_spaces(victims))
    took = [
        max(0.0, (stamps[victim.scene.namespace][0] - accepted[number]).total_seconds())
        for number, victim in enumerate(victims)
    ]
    p50, p99 = spread(took)
    return {"p50_ms": p50, "p99_ms": p99}


async def burst(ground: Ground, *, together: bool) -> Figures:
    """Measure a burst of compromised pods, from the first alert until the last pod is isolated."""
    victims = await ground.victims(BURST, together=together)
    began = datetime.now(UTC)
    await asyncio.gather(*(ground.attack(victim) for victim in victims))
    answered = datetime.now(UTC)
    await ground.contained(victims)
    stamps = [stamp for each in ground.writes(_spaces(victims)).values() for stamp in each]
    return {
        "alerts_answered_s": (answered - began).total_seconds(),
        "last_isolated_s": (max(stamps) - began).total_seconds(),
    }


def _spaces(victims: list[Victim]) -> list[str]:
    return sorted({victim.scene.namespace for victim in victims})


async def main() -> dict[str, Figures]:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-", ignore_cleanup_errors=True) as folder:
        async with broken(Path(folder)) as ground:
            rows: dict[str, Figures] = {}
            for name, measure in (
                ("ceiling, 10/s", ceiling(ground)),
                ("alert → write, 10/s", latency(ground)),
                ("burst of 100 as incidents", burst(ground, together=False)),
                ("burst of 100 as one storm", burst(ground, together=True)),
            ):
                rows[name] = await measure
                print(f"{name:28} " + "  ".join(f"{k} {v:.2f}" for k, v in rows[name].items()), flush=True)  # noqa: T201
    return rows


def say(line: str) -> None:
    """Print one row as soon as it is there."""
    print(line, flush=True)  # noqa: T201


ALONE: Mapping[str, Callable[[Callable[[str], None]], Mapping[str, Mapping[str, float | str]]]] = {
    "graph": graph.main,
    "store": store.main,
}
"""Measurements that need no servers, each to be had alone by its name."""


if __name__ == "__main__":
    chosen = [one for one in sys.argv[1:] if one in ALONE]
    arguments = [one for one in sys.argv[1:] if one not in ALONE]
    figures: dict[str, Mapping[str, float | str]] = {}
    for name in chosen or ALONE:
        figures |= ALONE[name](say)
    if not chosen:
        figures |= asyncio.run(main())
    Path(arguments[0] if arguments else "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
