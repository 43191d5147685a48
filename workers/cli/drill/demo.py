"""The first look: an incident within a minute on any machine, then everything on a real control plane.

Where the control plane must be built first, which takes minutes once, the first scenario is played on the
memory cluster meanwhile.
"""

import asyncio
from argparse import Namespace
from pathlib import Path
from typing import Literal

from workers.cli.drill import asking
from workers.cli.drill import run as drill
from workers.cli.drill.board import Board
from workers.cli.drill.building import Telling
from workers.cli.verb import program_at
from workers.stack import controlplane
from workers.stack.modules import BINARIES
from workers.stack.progress import unheard
from workers.stack.state import Status


class Demo:
    """One run of `firebreak demo`."""

    def __init__(self, options: Namespace) -> None:
        """Decide by person or by script, as the options and the terminal say."""
        self._live = drill.attended(options)
        self._board = Board.of(options)
        self._cluster: Literal["kubernetes", "node"] = options.cluster
        self._ask = asking.person if self._live else asking.script(self._board)

    async def run(self, root: Path) -> list[drill.Outcome]:
        """Play with stacks in folders of `root`, and return how each scenario ended."""
        with Telling(self._board) as heard:
            first = await self._while_building(root, heard)
            async with drill.own_stack(root / "kubernetes", self._cluster, heard) as status:
                heard.over()
                what = "one-node Kubernetes" if self._cluster == "node" else "Kubernetes control plane"
                self._board.say(f"A real {what}, Temporal and NATS run on this machine.")
                rest = await self._play(status, "all")
                await self._stay(status)
        return first + rest

    async def _while_building(self, root: Path, heard: Telling) -> list[drill.Outcome]:
        """Build what is missing; meanwhile play one scenario where nothing needs to be built."""
        missing = set(BINARIES) - set(await asyncio.to_thread(controlplane.look))
        if not missing:
            return []
        self._board.say(
            f"The control plane is not here yet ({', '.join(sorted(missing))}). It is fetched or built once,"
            " which takes about 6 minutes on 2 cores and is kept. Meanwhile, a first incident on a cluster in"
            " memory:"
        )
        async with drill.own_stack(root / "memory", "memory", unheard) as status:
            heard.muted = True
            building = asyncio.create_task(controlplane.resolve(heard))  # not before: it takes every core
            try:
                outcomes = await self._play(status, "reverse-shell")
                heard.muted = False
                await building
            finally:
                building.cancel()
        return outcomes

    async def _play(self, status: Status, name: str) -> list[drill.Outcome]:
        return await drill.perform(status, self._board, drill.chosen(name), self._ask)

    async def _stay(self, status: Status) -> None:
        """Leave the stack up for a person until they have seen enough."""
        if not self._live:
            return
        self._board.say()
        self._board.say(f"Temporal's UI: {status.endpoints.temporal_ui}")
        self._board.say(f"In another terminal: {program_at(Path(status.state_dir))} incidents")
        await asking.typed("Everything stays up until you press Enter here. ")
