"""The cluster in a dictionary, followed: it never breaks, and it forgets everything when it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from activities.adapters.memory import MemoryCluster
from activities.ports import Change, Manifest, Resource


class MemoryFollowing:
    """One memory cluster, as one identity."""

    def __init__(self, cluster: MemoryCluster) -> None:
        """Follow this cluster."""
        self._cluster = cluster

    async def revision(self) -> int | None:
        """Return the cluster's counter as it is now."""
        return self._cluster.revision

    async def follow(
        self, resource: Resource, revision: str = "", *, metadata_only: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Yield what exists as a listing, then every change; there is nothing to go on from."""
        yield Change("LISTING", {})
        items: list[Manifest] = []
        at = str(self._cluster.revision)
        listed = False
        async with aclosing(self._cluster.watch(resource)) as changes:
            async for change in changes:
                if change.type == "SYNCED":
                    listed = True
                    yield Change("PAGE", {"items": items})
                    yield Change("LISTED", {"metadata": {"resourceVersion": at}})
                    yield Change("OPENED", {})
                elif listed:
                    yield change
                else:
                    items.append(change.object)
