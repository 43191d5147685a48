"""Connects a command to an API server, as one person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.ports import Cluster
from workers.cli.target import Access


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[Cluster]:
    """Yield the cluster that `access` means, and let go of it afterwards."""
    if access.memory:
        from activities.adapters.memory_wire import WireCluster

        async with WireCluster.connect(access.state) as wire:
            yield wire
        return
    from activities.adapters.kubernetes import connect

    cluster = await connect(access.kubeconfig, access.context, "cluster")
    try:
        yield cluster
    finally:
        await cluster.close()
