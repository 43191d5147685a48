"""How long until work goes on after a `kill -9`: from the moment at which the process that died is ready again."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from signals.subjects import ORCHESTRATOR, REMEDIATION_EXECUTOR
from tests.bench.frame import Goal, Group, Row, Run
from tests.bench.ground import Ground, Victim, ground_of
from tests.crash.ground import MORTAL
from tests.crash.mortal import ACKNOWLEDGE, WRITE
from tests.vertical.stage import until

TRIALS = 3
PATIENCE = 60.0
DEATHS = (
    (REMEDIATION_EXECUTOR, WRITE, "in mid-action, after its first write"),
    (ORCHESTRATOR, ACKNOWLEDGE, "while it judges, before it has acknowledged"),
)


async def killed(ground: Ground, fates: Path, process: str, point: str) -> tuple[float, float]:
    """Attack a pod and let a process die; return the seconds of its restart, and from there to the last write."""
    (victim,) = await ground.victims(1)
    moment = "after" if point == WRITE else "before"
    fate = fates / f"{process}.json"
    told = {"point": point, "moment": moment, "nth": 1, "prefix": victim.scene.namespace}
    fate.with_suffix(".new").write_text(json.dumps(told))
    fate.with_suffix(".new").rename(fate)
    restarts = ground.stack.status.process(process).restarts
    await ground.attack(victim)
    died = await _met(ground, fate, process)
    ready = await _back(ground, process, restarts)
    await ground.contained([victim], seconds=PATIENCE)
    last = _last(ground, victim)
    return (ready - died).total_seconds(), max(0.0, (last - ready).total_seconds())


def _last(ground: Ground, victim: Victim) -> datetime:
    return ground.writes([victim.scene.namespace])[victim.scene.namespace][-1]


async def _met(ground: Ground, fate: Path, process: str) -> datetime:
    """Return when a process met its fate; one that does not within seconds is killed all the same."""
    deadline = time.monotonic() + PATIENCE / 4
    while await asyncio.to_thread(fate.exists):
        if time.monotonic() > deadline:
            await asyncio.to_thread(fate.unlink, missing_ok=True)
            os.kill(ground.stack.status.process(process).pid or 0, signal.SIGKILL)
            break
        await asyncio.sleep(0.005)
    return datetime.now(UTC)


async def _back(ground: Ground, process: str, restarts: int) -> datetime:
    async def ready() -> bool:
        state = ground.stack.status.process(process)
        return state.ready and state.restarts > restarts

    await until(ready, lambda: f"{process} does not come back", seconds=PATIENCE, pause=0.01)
    return datetime.now(UTC)


async def measure(run: Run) -> AsyncIterator[Row]:
    """Kill each a few times; the longest counts."""
    with tempfile.TemporaryDirectory(prefix="firebreak-fates-") as folder:
        command = (sys.executable, "-P", str(MORTAL), folder)
        async with ground_of(run, agent_command=command) as ground:
            for process, point, what in DEATHS:
                found = [await killed(ground, Path(folder), process, point) for _ in range(TRIALS)]
                restarts, waits = zip(*found, strict=True)
                yield Row(
                    name=f"{process} killed {what}: the last write",
                    value=max(waits),
                    unit="s",
                    goal=Goal(limit=5),
                    bound="Temporal's sticky queue (1 s) and task time-out (3 s), and the activity's heartbeat",
                    more={"restart_s": max(restarts), "trials": float(TRIALS)},
                )


GROUP = Group("recovery", "the executor and the orchestrator killed in mid-step, and back", measure)
