"""A cluster whose connection breaks at one write: before it was done, or after."""

from collections.abc import AsyncIterator, Sequence

from activities.ports import Change, Cluster, Manifest, Resource
from signals.entities import ClusterRef
from signals.errors import Unavailable
from signals.plans import ObjectRef


class Fragile:
    """Lets `writes` writes through; the next one fails, and with `done` it fails after it was done."""

    def __init__(self, cluster: Cluster, writes: int, *, done: bool) -> None:
        self._cluster, self._left, self._done = cluster, writes, done

    @property
    def ref(self) -> ClusterRef:
        return self._cluster.ref

    def _broken(self) -> bool:
        self._left -= 1
        return self._left < 0

    async def get(self, ref: ObjectRef) -> Manifest:
        return await self._cluster.get(ref)

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        return await self._cluster.list(resource, namespace, labels)

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if not self._broken():
            return await self._cluster.create(ref, manifest, dry_run=dry_run)
        if self._done:
            await self._cluster.create(ref, manifest, dry_run=dry_run)
        raise Unavailable("the connection was reset")

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        if not self._broken():
            return await self._cluster.patch(ref, operations, dry_run=dry_run)
        if self._done:
            await self._cluster.patch(ref, operations, dry_run=dry_run)
        raise Unavailable("the connection was reset")

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        if not self._broken():
            return await self._cluster.delete(ref, dry_run=dry_run)
        if self._done:
            await self._cluster.delete(ref, dry_run=dry_run)
        raise Unavailable("the connection was reset")

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        if dry_run:
            return await self._cluster.evict(ref, grace_seconds=grace_seconds, dry_run=True)
        if not self._broken():
            return await self._cluster.evict(ref, grace_seconds=grace_seconds)
        if self._done:
            await self._cluster.evict(ref, grace_seconds=grace_seconds)
        raise Unavailable("the connection was reset")

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        return self._cluster.watch(resource, namespace)
