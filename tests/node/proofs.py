"""What containment of a flow and of a pod does to packets, played on any enforcer."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from signals.approvals import Verb
from signals.incidents import Incident
from tests.node.ground import Traffic, Village, village
from tests.vertical.scene import ATTACKER, EGRESS, ELSEWHERE, REVERSE_SHELL
from tests.vertical.stage import Stage, settled

HOLD = 1.0
UNSEEN = 2.5
"""Seconds after which a flow that nobody has stopped is held to go on."""


@dataclass
class Seen:
    """What one containment did."""

    refused: dict[str, bool] = field(default_factory=dict)
    """Flow → whether new connections were refused while it stood."""
    ended: dict[str, bool] = field(default_factory=dict)
    """Flow → whether its open connection stopped while it stood."""
    back: dict[str, bool] = field(default_factory=dict)
    """Flow → whether new connections passed after the undo."""
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    """Every request that failed and that nobody meant to stop."""
    changed: list[str] = field(default_factory=list)
    """Objects that are not as before after the undo."""
    seconds: float = 0.0
    """From the alert to the first new connection that was refused."""
    incident: Incident | None = None


def outward(address: str) -> str:
    return f"{address}:443"


async def block(stage: Stage) -> Seen:
    """Have one flow of five blocked, hold it, and undo it."""
    async with village(stage, f"v-{uuid.uuid4().hex[:8]}") as here:
        victim = {
            "attacker": outward(ATTACKER.address),
            "next to it": outward("203.0.113.67"),
            "elsewhere": outward(ELSEWHERE.address),
        }
        inward = {
            "to the victim": f"{await here.address('web-0')}:8080",
            "to its sibling": f"{await here.address('web-1')}:8080",
        }
        async with (
            here.traffic("web-0", victim) as own,
            here.traffic("client", inward) as client,
            here.traffic("web-1", {"attacker": outward(ATTACKER.address)}) as sibling,
        ):
            return await _play(stage, here, EGRESS, {"attacker": own}, (own, client, sibling))


async def isolate(stage: Stage) -> Seen:
    """Have a pod isolated both ways, hold it, and undo it."""
    async with village(stage, f"v-{uuid.uuid4().hex[:8]}") as here:
        inward = {
            "in": f"{await here.address('web-0')}:8080",
            "to its sibling": f"{await here.address('web-1')}:8080",
        }
        out = outward(ATTACKER.address)
        async with (
            here.traffic("web-0", {"out": out}) as own,
            here.traffic("client", inward) as client,
            here.traffic("web-1", {"attacker": out, "elsewhere": outward(ELSEWHERE.address)}) as sibling,
        ):
            return await _play(stage, here, REVERSE_SHELL, {"out": own, "in": client}, (own, client, sibling))


async def _play(
    stage: Stage, here: Village, rule: str, stopped: dict[str, Traffic], all_of_it: tuple[Traffic, ...]
) -> Seen:
    seen, began = Seen(), time.time()
    await stage.post(here.alert(rule, await here.live("web-0")))
    seen.incident = await stage.incident(here, settled)
    for flow, traffic in stopped.items():
        seen.refused[flow] = await traffic.becomes(flow, passes=False, seconds=UNSEEN)
        seen.ended[flow] = await traffic.becomes(flow, passes=False, kind="open", seconds=UNSEEN)
        if (refused := traffic.refused(flow)) and not seen.seconds:
            seen.seconds = refused - began
    await asyncio.sleep(HOLD)
    assert (await stage.say(Verb.UNDO, seen.incident.summary.id)).accepted
    for flow, traffic in stopped.items():
        seen.back[flow] = await traffic.becomes(flow, passes=True)
    seen.changed = await here.changed()
    seen.neighbours = [one for traffic in all_of_it for one in traffic.failures(but=tuple(stopped))]
    return seen
