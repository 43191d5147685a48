"""Whole incidents a second, events a second into open ones, and the memory for both."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from signals.approvals import Verb
from signals.incidents import Summary
from signals.receipts import ActionState
from signals.subjects import ORCHESTRATOR, RUNTIME_GUARDIAN, threats_stream
from signals.threats import ThreatEvent
from tests.bench import weight
from tests.bench.consumers import left
from tests.bench.frame import Goal, Group, Row, Run
from tests.bench.ground import Ground, Victim, ground_of
from tests.vertical.stage import until
from workers.bus import Bus
from workers.chain import ThreatPublisher
from workers.cli import person
from workers.cli.deciding import answer
from workers.cli.drill.run import target_of
from workers.cli.ledger import Ledger
from workers.keyring import OwnKey
from workers.settings import Settings

INCIDENTS = 120
OPEN = 50
EVENTS = 20_000
SPEAKERS = 8
"""Instances that publish at one time, so that the stream is filled soon."""
APPROVING = 10
"""Commands of people in flight."""
PATIENCE = 180.0


async def whole(ground: Ground, count: int) -> tuple[float, dict[str, float]]:
    """Attack pods that ask, approve each, and wait until all is verified; return the seconds and the memory."""
    victims = await ground.victims(count, mode="approve")
    names = {victim.scene.namespace for victim in victims}
    ledger, slots = Ledger(ground.temporal), asyncio.Semaphore(APPROVING)
    approved: set[str] = set()
    speaking: set[asyncio.Task[None]] = set()
    found: list[Summary] = []

    async def approve(one: Summary) -> None:
        said = answer(one, None, "")
        async with slots:
            incident = said.pop("incident")
            await person.speak(target_of(ground.stack.status), Verb.APPROVE, {"incident": incident, **said})

    async def all_done() -> bool:
        found[:] = [one for one in await ledger.summaries() if _about(one, names)]
        for one in found:
            if one.waiting_for is not None and one.id not in approved:
                approved.add(one.id)
                speaking.add(asyncio.create_task(approve(one)))
        return sum(_done(one) for one in found) == count

    began = time.monotonic()
    await asyncio.gather(*(ground.attack(victim) for victim in victims))
    await until(
        all_done, lambda: f"{sum(map(_done, found))} of {len(found)} are done", seconds=PATIENCE, pause=0.3
    )
    seconds = time.monotonic() - began
    await asyncio.gather(*speaking)
    return seconds, weight.of_each(ground.stack.status.processes)


def _about(one: Summary, names: set[str]) -> bool:
    return any(name in entity for entity in one.entities for name in names)


def _done(one: Summary) -> bool:
    states = {action.state for action in one.actions}
    return any(state.stands for state in states) and not states & {
        ActionState.APPLIED,
        ActionState.STAGED,
        ActionState.DUE,
    }


async def opened(ground: Ground, victims: list[Victim]) -> list[ThreatEvent]:
    """Open an incident for each; return the event that opened it."""
    await asyncio.gather(*(ground.attack(victim) for victim in victims))
    await ground.contained(victims)
    ledger = Ledger(ground.temporal)
    return [(await ledger.ask(one.id)).events[0] for one in await ledger.summaries()]


async def signals(ground: Ground, open_: int, count: int) -> tuple[float, float]:
    """Return the seconds until Temporal has taken so many events of open incidents, and the cores that it took.

    The stream is filled first, while the orchestrator is held: what is measured is its way from there.
    """
    samples = await opened(ground, await ground.victims(open_))
    state = ground.stack.status.process(ORCHESTRATOR)
    assert state.pid is not None
    os.kill(state.pid, signal.SIGSTOP)
    try:
        await fill(ground, samples, count)
    finally:
        before, began = weight.spent_by(ground.stack.status.processes), time.monotonic()
        os.kill(state.pid, signal.SIGCONT)
    stream = threats_stream(RUNTIME_GUARDIAN)

    async def none_left() -> bool:
        return await left(ground, stream) == 0

    await until(none_left, lambda: "the stream is not empty", seconds=PATIENCE, pause=0.05)
    seconds = time.monotonic() - began
    return seconds, (weight.spent_by(ground.stack.status.processes) - before) / seconds


async def fill(ground: Ground, samples: list[ThreatEvent], count: int) -> None:
    """Publish so many new events, as the guardian, about what incidents are open for."""
    layout, url = ground.stack.layout, ground.stack.status.endpoints.nats or ""
    bus = await Bus.connect(Settings(nats_url=url, nats_dir=layout.nats), RUNTIME_GUARDIAN)
    signer = OwnKey(RUNTIME_GUARDIAN, layout.keys / f"{RUNTIME_GUARDIAN}.key")

    async def speak(number: int) -> None:
        publisher = ThreatPublisher(bus, signer, samples[0].cluster, f"bench-{number}")
        for place in range(number, count, SPEAKERS):
            one = samples[place % len(samples)]
            await publisher.publish(
                one.model_copy(update={"id": f"bench-{place}", "observed_at": datetime.now(UTC), "proof": ""})
            )

    try:
        await asyncio.gather(*(speak(number) for number in range(SPEAKERS)))
    finally:
        await bus.close()


async def measure(run: Run) -> AsyncIterator[Row]:
    """Measure both on stacks of their own: one is full of what the other does not want to see."""
    async with ground_of(run) as ground:
        run.say("incidents that ask, are approved, applied and verified")
        count = run.count(INCIDENTS)
        seconds, weights = await whole(ground, count)
        yield Row(
            name="full incidents, sustained",
            value=count / seconds,
            unit="/s",
            goal=Goal(limit=6, least=True),
            more={"incidents": float(count), "stack_mib": sum(weights.values())},
        )
    async with ground_of(run) as ground:
        run.say("filling a stream")
        count = run.count(EVENTS)
        seconds, cores = await signals(ground, run.count(OPEN), count)
        weights = weight.of_each(ground.stack.status.processes)
        yield Row(
            name="signals into open incidents",
            value=count / seconds,
            unit="/s",
            goal=Goal(limit=5000, least=True),
            more={"events": float(count), "cores_of_the_stack": cores, "stack_mib": sum(weights.values())},
        )


GROUP = Group(
    "sustained", "whole incidents a second, events into open incidents, and the memory for it", measure
)
