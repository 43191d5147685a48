"""Ten thousand alerts about twenty pods: what comes out, and when the last one is counted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.frame import Goal, Group, Row, Run
from tests.bench.ground import Ground, Victim, ground_of
from tests.vertical.audit import written
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import until
from workers.cli.ledger import Ledger

PODS, ALERTS = 20, 10_000
IN_ONE_BODY = 100
SENDERS = 4
SETTLED = 15.0
"""Seconds without anything new after which nothing more follows: pages of a burst wait that long."""
PATIENCE = 150.0


async def flooded(ground: Ground, victims: list[Victim], alerts: int) -> tuple[float, float]:
    """Send alerts about pods by turns; return the seconds until all are answered, and until all are counted."""
    told: list[dict[str, object]] = []
    for number in range(alerts):
        victim = victims[number % len(victims)]
        told.append(victim.scene.alert(REVERSE_SHELL, victim.pod, **{"proc.pid": number}))
    bodies = [told[first : first + IN_ONE_BODY] for first in range(0, alerts, IN_ONE_BODY)]
    slots = asyncio.Semaphore(SENDERS)

    async def send(body: list[dict[str, object]]) -> None:
        async with slots:
            await ground.post(json.dumps(body).encode())

    began = time.monotonic()
    await asyncio.gather(*(send(body) for body in bodies))
    answered = time.monotonic() - began
    seen = 0

    async def all_counted() -> bool:
        nonlocal seen
        seen = await counted(ground)
        return seen >= alerts

    await until(all_counted, lambda: f"{seen} of {alerts} alerts are counted", seconds=PATIENCE, pause=0.2)
    return answered, time.monotonic() - began


async def counted(ground: Ground) -> int:
    """Return how many alerts the incidents tell of."""
    ledger = Ledger(ground.temporal)
    total = 0
    for one in await ledger.summaries():
        most: dict[str, int] = {}
        for event in (await ledger.ask(one.id)).events:
            most[event.id] = max(most.get(event.id, 0), event.count)
        total += sum(most.values())
    return total


async def outcome(ground: Ground, victims: list[Victim]) -> tuple[int, int, int]:
    """Return how many incidents of the victims, pages about these and writes there are, once nothing more follows.

    Who prepares the ground enrols namespaces under an administrator's hand, which is an incident of its own.
    """
    log = Path(ground.stack.status.endpoints.audit_log or "")
    spaces = [victim.scene.namespace for victim in victims]
    before, since = (-1, -1, -1), time.monotonic()
    while time.monotonic() - since < SETTLED:
        incidents = {one.id for space in spaces for one in await Ledger(ground.temporal).summaries(space)}
        pages = ground.stack.layout.pages
        told = [json.loads(line) for line in pages.read_text().splitlines()] if pages.exists() else []
        paged = {page["dedup_key"] for page in told if page["incident"] in incidents}
        writes = sum(len(written(log, space)) for space in spaces)
        now = (len(incidents), len(paged), writes)
        if now != before:
            before, since = now, time.monotonic()
        await asyncio.sleep(1)
    return before


async def measure(run: Run) -> AsyncIterator[Row]:
    """Play the same incident once for the plan, then flood."""
    pods, alerts = run.count(PODS), run.count(ALERTS)
    async with ground_of(run) as ground:
        victims = await ground.victims(pods)
        run.say(f"{alerts:,} alerts about {pods} pods")
        answered, all_counted = await flooded(ground, victims, alerts)
        incidents, pages, writes = await outcome(ground, victims)
        (receipt, *_) = (
            await Ledger(ground.temporal).ask((await Ledger(ground.temporal).summaries())[0].id)
        ).receipts
        plan = len(receipt.plan.writes)
    yield Row(
        name=f"{alerts:,} alerts about {pods} pods: all counted",
        value=all_counted,
        unit="s",
        bound="the guardian counts; what it has counted comes out at a pace",
        more={"answered_s": answered, "alerts_per_s": alerts / answered},
    )
    for name, value, most in (
        ("incidents", incidents, pods),
        ("pages", pages, pods),
        ("writes", writes, pods * plan),
    ):
        yield Row(
            name=f"… {name} that come out",
            value=float(value),
            unit="",
            goal=Goal(limit=most),
            more={"expected": float(most)},
        )


GROUP = Group("flood", "many alerts about few pods: what comes out, and when all is counted", measure)
