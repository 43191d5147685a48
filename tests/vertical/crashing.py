"""An agent whose hands can be stopped at one exact write: killed there, or held until a test lets go.

`python -P crashing.py FOLDER AGENT` runs the agent as its own process does. What is to happen, a test writes into
FOLDER/AGENT.json; it happens once. The wheel holds nothing of this.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from activities.adapters.kubernetes import KubernetesCluster
from activities.ports import Manifest
from signals.plans import ObjectRef
from workers import __main__ as product
from workers.settings import Settings

T = TypeVar("T")
KILL, HOLD = "kill", "hold"
PAUSE, PAUSES = 0.02, 1500


class MortalCluster(KubernetesCluster):
    """A cluster whose n-th write in one namespace is the last thing that the process does, or long in coming."""

    def __init__(self, cluster: KubernetesCluster, fate: Path) -> None:
        """Read the fate from this file at every write."""
        super().__init__(cluster._http, cluster.ref)
        self._fate = fate
        self._writes = 0

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create, and meet the fate."""
        create = super().create
        return await self._meet(ref, dry_run, lambda: create(ref, manifest, dry_run=dry_run))

    async def patch(
        self, ref: ObjectRef, operations: Sequence[Manifest], *, dry_run: bool = False, subresource: str = ""
    ) -> Manifest:
        """Patch, and meet the fate."""
        patch = super().patch
        return await self._meet(
            ref, dry_run, lambda: patch(ref, operations, dry_run=dry_run, subresource=subresource)
        )

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete, and meet the fate."""
        delete = super().delete
        await self._meet(ref, dry_run, lambda: delete(ref, dry_run=dry_run))

    async def _meet(self, ref: ObjectRef, dry_run: bool, write: Callable[[], Awaitable[T]]) -> T:
        fate = self._read()
        if dry_run or fate is None or ref.namespace != fate["namespace"]:
            return await write()
        self._writes += 1
        due = self._writes == fate["write"]
        if due and fate["moment"] == "before":
            await self._happen(fate["what"])
        done = await write()
        if due and fate["moment"] == "after":
            await self._happen(fate["what"])
        return done

    def _read(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._fate.read_text())
        except FileNotFoundError:
            self._writes = 0
            return None
        return found

    async def _happen(self, what: str) -> None:
        if what == KILL:
            self._fate.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        held = self._fate.with_suffix(".held")
        held.touch()
        for _ in range(PAUSES):
            if not self._fate.exists():
                break
            await asyncio.sleep(PAUSE)
        held.unlink()


def main(folder: Path, agent: str) -> int:
    """Run one agent with mortal hands; return its exit code."""
    real = product.cluster_of

    async def cluster_of(told: Settings) -> KubernetesCluster:
        return MortalCluster(await real(told), folder / f"{agent}.json")

    product.cluster_of = cluster_of
    return product.main([agent])


if __name__ == "__main__":
    ended = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    os._exit(ended)
