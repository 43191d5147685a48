"""Connects a command to an API server, as one person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.ports import Cluster
from signals.entities import ClusterRef
from workers import settings
from workers.cli.target import Access

ANY = ClusterRef(name="cluster", uid="")
"""For a person who only speaks: they need not be allowed to ask which cluster it is."""


@asynccontextmanager
async def connected(
    access: Access, ref: ClusterRef | None = None, group: str | None = None
) -> AsyncIterator[Cluster]:
    """Yield the cluster that `access` means, and let go of it afterwards; `group` is impersonated, alone.

    Raises:
        BadInput: the kubeconfig or its context cannot be used.
        Unavailable, Refused: it did not say which cluster it is; it is only asked where `ref` is None.
    """
    if access.memory:
        from activities.adapters.memory_wire import WireCluster

        async with WireCluster.connect(access.state) as wire:
            yield wire
        return
    from activities.adapters.kubernetes import connect

    file = access.kubeconfig or settings.kubeconfig_file()
    cluster = await connect(file, access.context, "cluster", ref=ref, group=group)
    try:
        yield cluster
    finally:
        await cluster.close()
