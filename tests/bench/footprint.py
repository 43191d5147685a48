"""What the stack weighs: idle, and after a burst; each process by its share of memory (PSS)."""

import asyncio
import time
from collections.abc import AsyncIterator

from tests.bench import weight
from tests.bench.frame import Group, Row, Run
from tests.bench.ground import Ground, ground_of

BURST = 100
SETTLING = 5.0
IDLE = 10.0
"""Seconds over which the processor time of an idle stack is taken."""


async def measure(run: Run) -> AsyncIterator[Row]:
    """Weigh, attack, weigh again."""
    async with ground_of(run) as ground:
        await asyncio.sleep(SETTLING)
        yield _row("idle", weight.of_each(ground.stack.status.processes), await idle_cores(ground))
        victims = await ground.victims(run.count(BURST))
        began, before = time.monotonic(), weight.spent_by(ground.stack.status.processes)
        await asyncio.gather(*(ground.attack(victim) for victim in victims))
        await ground.contained(victims)
        await asyncio.sleep(SETTLING)
        spent = weight.spent_by(ground.stack.status.processes) - before
        cores = spent / (time.monotonic() - began)
        yield _row(f"with {len(victims)} incidents", weight.of_each(ground.stack.status.processes), cores)
        yield Row(
            name="processor time of one incident",
            value=spent / len(victims) * 1000,
            unit="ms",
            bound="all processes of the stack together",
        )


async def idle_cores(ground: Ground) -> float:
    """Return how many cores a stack uses that has nothing to do."""
    before = weight.spent_by(ground.stack.status.processes)
    await asyncio.sleep(IDLE)
    return (weight.spent_by(ground.stack.status.processes) - before) / IDLE


def _row(when: str, weights: dict[str, float], cores: float) -> Row:
    return Row(
        name=f"memory of the whole stack, {when}",
        value=sum(weights.values()),
        unit="MiB",
        more={"agents_mib": weight.of_agents(weights), "cores": cores, **weights},
    )


GROUP = Group("footprint", "memory and processor time, idle and loaded, of each process", measure)
