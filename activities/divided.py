"""A cluster of which some kinds are in other hands: calls on them go there, everything else to the API server.

So plan, write, verification and undo are the same code for every object, whoever holds the right over it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from activities.ports import Change, Cluster, Manifest, Resource
from signals.entities import ClusterRef
from signals.plans import ObjectRef

Kind = tuple[str, str]
"""Group and plural."""


class Divided:
    """One identity's view of a cluster, less the kinds that others hold for it."""

    def __init__(self, cluster: Cluster, elsewhere: Mapping[Resource, Cluster]) -> None:
        """Speak to `cluster`, and about these kinds to those who hold them."""
        self._cluster = cluster
        self._elsewhere: dict[Kind, Cluster] = {
            (resource.group, resource.plural): other for resource, other in elsewhere.items()
        }

    def _holder(self, group: str, plural: str) -> Cluster:
        return self._elsewhere.get((group, plural), self._cluster)

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._cluster.ref

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""
        return await self._holder(ref.group, ref.resource).get(ref)

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind that match a label selector."""
        return await self._holder(resource.group, resource.plural).list(resource, namespace, labels)

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object."""
        return await self._holder(ref.group, ref.resource).create(ref, manifest, dry_run=dry_run)

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Apply a JSON Patch."""
        holder = self._holder(ref.group, ref.resource)
        return await holder.patch(ref, operations, dry_run=dry_run, subresource=subresource)

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object."""
        await self._holder(ref.group, ref.resource).delete(ref, dry_run=dry_run)

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict one pod."""
        holder = self._holder(ref.group, ref.resource)
        await holder.evict(ref, grace_seconds=grace_seconds, dry_run=dry_run)

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Yield what exists, SYNCED, then every change."""
        return self._holder(resource.group, resource.plural).watch(resource, namespace)
