"""The gate before everything new that the executor writes: while Firebreak is stopped nothing passes it."""

from collections.abc import AsyncIterator, Sequence

from activities.orders import Orders
from activities.ports import Change, Cluster, Manifest, Resource
from signals.entities import ClusterRef
from signals.plans import ObjectRef


class Gated:
    """A cluster in which nothing new is written while Firebreak is stopped; it stops in the middle, too."""

    def __init__(self, cluster: Cluster, orders: Orders) -> None:
        """Write to this cluster what no stop forbids."""
        self._cluster = cluster
        self._orders = orders

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._cluster.ref

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""
        return await self._cluster.get(ref)

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind."""
        return await self._cluster.list(resource, namespace, labels)

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create, unless stopped."""
        if not dry_run:
            self._orders.check()
        return await self._cluster.create(ref, manifest, dry_run=dry_run)

    async def patch(
        self, ref: ObjectRef, operations: Sequence[Manifest], *, dry_run: bool = False, subresource: str = ""
    ) -> Manifest:
        """Patch, unless stopped."""
        if not dry_run:
            self._orders.check()
        return await self._cluster.patch(ref, operations, dry_run=dry_run, subresource=subresource)

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete: an apply that takes itself back may always do so."""
        await self._cluster.delete(ref, dry_run=dry_run)

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict, unless stopped."""
        if not dry_run:
            self._orders.check()
        await self._cluster.evict(ref, grace_seconds=grace_seconds, dry_run=dry_run)

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Yield changes."""
        return self._cluster.watch(resource, namespace)
