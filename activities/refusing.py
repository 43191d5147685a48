"""A cluster of which nothing can be done: whoever can do something says what, and the rest stays refused."""

from collections.abc import AsyncIterator, Sequence

from activities.ports import Change, Manifest, Resource
from signals.entities import ClusterRef
from signals.errors import Refused
from signals.plans import ObjectRef


class Refusing:
    """Refuses every call."""

    def __init__(self, ref: ClusterRef) -> None:
        """Belong to this cluster."""
        self._ref = ref

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._ref

    async def get(self, ref: ObjectRef) -> Manifest:
        """Refuse."""
        raise Refused(f"{ref} cannot be read")

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Refuse."""
        raise Refused(f"{resource.plural} cannot be listed")

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Refuse."""
        raise Refused(f"{ref} cannot be made")

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Refuse."""
        raise Refused(f"{ref} cannot be changed")

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Refuse."""
        raise Refused(f"{ref} cannot be deleted")

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Refuse."""
        raise Refused(f"{ref} cannot be evicted")

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Refuse: who holds a kind answers questions, and does not report."""
        raise Refused(f"{resource.plural} cannot be watched")
