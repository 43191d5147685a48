"""What a burst is compared with: bare writes, pods under one shared policy, and what others take for the same."""

import asyncio
import time
from collections.abc import AsyncIterator

from activities.ports import NETWORK_POLICIES
from signals.subjects import MARK_PREFIX
from tests.bench.containing import burst
from tests.bench.frame import Group, Row, Run
from tests.bench.ground import AT_ONCE, Ground, Victim, ground_of

BURST = 100
PUBLISHED = (
    ("Falco Talon, burst of 100, as shipped", 38.0, "its client's limit of 5 requests/s"),
    ("Falco Talon, burst of 500, as shipped", 198.0, "its client's limit of 5 requests/s"),
    ("Falco Talon, burst of 100, with that limit raised", 0.70, "it keeps everything in memory"),
)
"""Measured with its own sources on a control plane and cores like these; not measured again here."""
LOST = 91
"""Of 100 alerts that it had answered, those that it never acted on when it was killed after 2 s."""


async def bare(ground: Ground, victims: list[Victim]) -> float:
    """Write one NetworkPolicy for each, so many at a time; return the seconds that it takes."""
    slots = asyncio.Semaphore(AT_ONCE)
    spec = {"podSelector": {"matchLabels": {MARK_PREFIX + "bench": "none"}}, "policyTypes": ["Ingress"]}
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"labels": {"bench": "bare"}},
        "spec": spec,
    }

    async def write(victim: Victim) -> None:
        async with slots:
            await ground.cluster.create(NETWORK_POLICIES.ref("bare", victim.scene.namespace), manifest)

    began = time.monotonic()
    await asyncio.gather(*(write(victim) for victim in victims))
    return time.monotonic() - began


async def measure(run: Run) -> AsyncIterator[Row]:
    """Measure the floor, then the same burst as incidents and under one policy."""
    size = run.count(BURST)
    async with ground_of(run) as ground:
        floor = await bare(ground, await ground.victims(size))
        of = f"{size} bare NetworkPolicy writes"
        yield Row(
            name=f"{of}, {AT_ONCE} at a time",
            value=floor,
            unit="s",
            bound="the API server and etcd's fsync",
        )
        answered, isolated = await burst(ground, size, together=False)
        yield Row(
            name=f"burst of {size} as incidents",
            value=isolated,
            unit="s",
            ceiling=floor,
            of=of,
            more={"alerts_answered_s": answered},
        )
        yield await shared(ground, size, floor, of)
    for name, seconds, bound in PUBLISHED:
        more = {"lost_of_100_when_killed": float(LOST)} if "shipped" in name and "100" in name else {}
        yield Row(name=name, value=seconds, unit="s", bound=bound, more={"published": "yes", **more})


async def shared(ground: Ground, size: int, floor: float, of: str) -> Row:
    """Measure pods of one namespace under one policy, by many rules: incidents that all change one object."""
    answered, isolated = await burst(ground, size, together=True)
    return Row(
        name=f"{size} pods under one shared policy",
        value=isolated,
        unit="s",
        ceiling=floor,
        of=of,
        bound="one object that all of them change: conflicts, and a policy that grows",
        more={"alerts_answered_s": answered},
    )


GROUP = Group("crowd", "a burst beside bare writes, beside a shared policy, and beside others", measure)
