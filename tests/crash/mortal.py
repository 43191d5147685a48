"""An agent that can be killed at one exact point of its work, by what a trial writes into its fate.

`python -P mortal.py FOLDER AGENT [VARIANT]` runs the agent as its own process does. The fate is FOLDER/AGENT.json,
`{"point": …, "moment": "before" | "after", "skip": n}`; it comes once. A variant makes the agent unsafe in one
way, to prove that the judge sees it. The wheel holds nothing of this.
"""

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
from signals.subjects import CREDENTIAL_FREEZER, REMEDIATION_EXECUTOR
from tests.crash import unsafe
from tests.crash.kubeconfig import through
from workers import __main__ as product
from workers import delivery, passing
from workers.settings import Settings

T = TypeVar("T")
PROXY = "proxy"
"""The file that holds the URL of the proxy through which those that write reach the API server."""
HANDS = (REMEDIATION_EXECUTOR, CREDENTIAL_FREEZER)
WRITE, ACKNOWLEDGE, PASS_ON = "write", "acknowledge", "pass-on"


class Fate:
    """What is to happen to this process, and when."""

    def __init__(self, path: Path) -> None:
        """Read it from this file, anew at every point."""
        self._path = path
        self._passed = 0

    async def meet(self, point: str, do: Callable[[], Awaitable[T]], namespace: str = "") -> T:
        """Do something, unless this is the instant to die."""
        due = self._due(point, namespace)
        if due == "before":
            self._die()
        done = await do()
        if due == "after":
            self._die()
        return done

    def _due(self, point: str, namespace: str) -> str:
        try:
            fate: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            self._passed = 0
            return ""
        if fate["point"] != point or (namespace and not namespace.startswith(fate["prefix"])):
            return ""
        self._passed += 1
        return str(fate["moment"]) if self._passed == fate["nth"] else ""

    def _die(self) -> None:
        self._path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class MortalCluster(KubernetesCluster):
    """A cluster of which the n-th write may be the last thing that the process does."""

    def __init__(self, cluster: KubernetesCluster, fate: Fate) -> None:
        """Meet this fate at every write."""
        super().__init__(cluster._http, cluster.ref)
        self._fate = fate

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create, and meet the fate."""
        create = super().create
        return await self._met(ref, dry_run, lambda: create(ref, manifest, dry_run=dry_run))

    async def patch(
        self, ref: ObjectRef, operations: Sequence[Manifest], *, dry_run: bool = False, subresource: str = ""
    ) -> Manifest:
        """Patch, and meet the fate."""
        patch = super().patch
        return await self._met(
            ref, dry_run, lambda: patch(ref, operations, dry_run=dry_run, subresource=subresource)
        )

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete, and meet the fate."""
        delete = super().delete
        await self._met(ref, dry_run, lambda: delete(ref, dry_run=dry_run))

    async def _met(self, ref: ObjectRef, dry_run: bool, write: Callable[[], Awaitable[T]]) -> T:
        return await (write() if dry_run else self._fate.meet(WRITE, write, ref.namespace or ""))


def main(folder: Path, agent: str, variant: str) -> int:
    """Run one agent that can be killed; return its exit code."""
    fate, real = Fate(folder / f"{agent}.json"), product.cluster_of
    acknowledge, pass_on = delivery.Message.ack, passing.pass_on

    async def cluster_of(told: Settings) -> KubernetesCluster:
        if agent in HANDS and told.kubeconfig and (folder / PROXY).exists():
            copy = folder / f"{agent}.kubeconfig"
            led = through(told.kubeconfig, (folder / PROXY).read_text(), copy)
            told = told.model_copy(update={"kubeconfig": led})
        return MortalCluster(await real(told), fate)

    async def mortal_ack(self: delivery.Message) -> None:
        await fate.meet(ACKNOWLEDGE, lambda: acknowledge(self))

    async def mortal_pass_on(*given: Any) -> Any:
        return await fate.meet(PASS_ON, lambda: pass_on(*given))

    product.cluster_of = cluster_of
    delivery.Message.ack = mortal_ack  # type: ignore[method-assign]
    passing.pass_on = mortal_pass_on  # type: ignore[assignment]
    if variant:
        unsafe.VARIANTS[variant]()
    return product.main([agent])


if __name__ == "__main__":
    ended = main(Path(sys.argv[1]), sys.argv[-1], sys.argv[2] if len(sys.argv) > 3 else "")
    sys.stdout.flush()
    os._exit(ended)
