"""A cluster of which some is read at most every other second, once for all who ask.

A hundred alerts at once would each ask which webhooks there are. For who writes, only kinds that say nothing about
targets are remembered; pods and policies are always read anew. A hundred investigations would each read the whole
cluster: for who only looks, that is remembered, and what is asked by its name or namespace is read anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from activities.ports import (
    DAEMON_SETS,
    ENDPOINT_SLICES,
    NODES,
    SERVICES,
    Change,
    Cluster,
    Manifest,
    Resource,
)
from activities.surroundings import API_SERVICES, WEBHOOKS
from signals.entities import ClusterRef
from signals.plans import ObjectRef

SECONDS = 2.0
SLOW: frozenset[Resource] = frozenset(
    {*WEBHOOKS, API_SERVICES, SERVICES, ENDPOINT_SLICES, NODES, DAEMON_SETS}
)

Key = tuple[Resource, str | None, str]
Reading = asyncio.Task[list[Manifest]]
Remembered = Callable[[Key], bool]
"""Which lists are remembered."""


def of_slow_kinds(key: Key) -> bool:
    """Say whether this list is of a kind that changes slowly."""
    return key[0] in SLOW


def of_the_whole(key: Key) -> bool:
    """Say whether this list is of everything of one kind."""
    _, namespace, labels = key
    return namespace is None and not labels


class Recent:
    """One identity's view of a cluster, with a short memory."""

    def __init__(
        self, cluster: Cluster, seconds: float = SECONDS, remembered: Remembered = of_slow_kinds
    ) -> None:
        """Look at `cluster`, and remember some lists for `seconds`."""
        self._cluster = cluster
        self._seconds = seconds
        self._remembered = remembered
        self._known: dict[Key, tuple[float, Reading]] = {}

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._cluster.ref

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object, always anew."""
        return await self._cluster.get(ref)

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return objects of one kind; what is remembered as it was a moment ago."""
        key = (resource, namespace, labels)
        if not self._remembered(key):
            return await self._cluster.list(resource, namespace, labels)
        born, task = self._known.get(key, (0.0, None))
        stale = time.monotonic() - born > self._seconds
        failed = task is not None and task.done() and (task.cancelled() or task.exception() is not None)
        if task is None or stale or failed:
            task = asyncio.ensure_future(self._cluster.list(resource, namespace, labels))
            self._known[key] = (time.monotonic(), task)
            asyncio.get_running_loop().call_later(self._seconds, self._forget, key, task)
        return await asyncio.shield(task)

    def _forget(self, key: Key, task: Reading) -> None:
        """Let go of a list: that of a whole cluster is large."""
        if self._known.get(key, (0.0, None))[1] is task and task.done():
            del self._known[key]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object."""
        return await self._cluster.create(ref, manifest, dry_run=dry_run)

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Apply a JSON Patch."""
        return await self._cluster.patch(ref, operations, dry_run=dry_run, subresource=subresource)

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object."""
        await self._cluster.delete(ref, dry_run=dry_run)

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict one pod."""
        await self._cluster.evict(ref, grace_seconds=grace_seconds, dry_run=dry_run)

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Yield what exists, SYNCED, then every change."""
        return self._cluster.watch(resource, namespace)
