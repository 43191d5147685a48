"""What happens in some scenarios while a containment stands: a kill, a person's edit, a count of pages."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from activities.ports import NETWORK_POLICIES, Cluster
from signals.incidents import Summary
from workers.cli.drill import app
from workers.cli.drill.board import Board
from workers.cli.drill.looking import EDITED
from workers.cli.drill.scenario import Scenario
from workers.stack.state import Status, read

PATIENCE_SECONDS = 30.0
OPENED = {"ports": [{"protocol": "TCP", "port": 8443}]}
"""What the colleague adds to what the web pods let in."""


async def kill(
    status: Status, scenario: Scenario, board: Board, touched: Callable[[], Awaitable[bool]]
) -> None:
    """Kill processes of Firebreak as soon as its first write is seen, and wait until they are back."""
    await _until(touched)
    before = {one.name: one for one in read(Path(status.state_dir)).processes if one.name in scenario.killed}
    for one in before.values():
        if one.pid is not None:
            os.kill(one.pid, signal.SIGKILL)
    board.tell(
        f"{', '.join(before)}: killed with kill -9, after the first write.",
        "The supervisor starts them again.",
        "Nothing.",
    )

    async def back() -> bool:
        now = {one.name: one for one in read(Path(status.state_dir)).processes}
        return all(now[name].ready and now[name].restarts > old.restarts for name, old in before.items())

    board.claim("they are back", await _until(back))


async def _until(holds: Callable[[], Awaitable[bool]]) -> bool:
    """Return whether something comes true in time."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if await holds():
            return True
        await asyncio.sleep(0.01)
    return False


async def meddle(cluster: Cluster, scenario: Scenario, board: Board) -> None:
    """Edit a policy that the containment stands on, as a colleague would who knows nothing of it."""
    ref = NETWORK_POLICIES.ref(EDITED, app.NAMESPACE)
    await cluster.patch(ref, [{"op": "add", "path": "/spec/ingress/-", "value": OPENED}])
    board.tell(
        f"A colleague opens port 8443 in networkpolicy/{app.NAMESPACE}/{EDITED}.",
        "They know nothing of the incident, and need not.",
        "Nothing yet.",
    )


async def unmeddle(cluster: Cluster) -> None:
    """Take the colleague's edit back: the drill leaves nothing behind."""
    ref = NETWORK_POLICIES.ref(EDITED, app.NAMESPACE)
    rules = (await cluster.get(ref))["spec"].get("ingress") or []
    if OPENED in rules:
        path = f"/spec/ingress/{rules.index(OPENED)}"
        await cluster.patch(
            ref, [{"op": "test", "path": path, "value": OPENED}, {"op": "remove", "path": path}]
        )


async def counted(status: Status, scenario: Scenario, board: Board, incidents: Sequence[Summary]) -> None:
    """Count what a storm came to: incidents, pages and pods in the largest one."""
    board.claim(
        f"{scenario.crowd} pods are {len(incidents)} incidents, not {scenario.crowd}",
        0 < len(incidents) <= 10,
    )
    names = {one.id for one in incidents}
    pages = await asyncio.to_thread(_pages, Path(status.state_dir) / "pages.jsonl", names)
    few = 0 < pages < 2 * len(incidents)  # each once, and what asks again as the storm grows
    board.claim(f"people were paged {pages} times, not {scenario.crowd} times", few)


def _pages(journal: Path, incidents: set[str]) -> int:
    """Return how many messages about these incidents asked for a person's attention."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    told = (json.loads(line) for line in lines)
    return sum(one["incident"] in incidents and one["kind"] in ("page", "approval") for one in told)
