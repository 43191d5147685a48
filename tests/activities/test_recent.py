"""Surroundings are read once for all who ask at the same time; targets are always read anew."""

import asyncio

import pytest

from activities.adapters.memory import MemoryCluster
from activities.ports import NETWORK_POLICIES, NODES, PODS, Manifest, Resource
from activities.recent import Recent, of_the_whole
from signals.errors import Unavailable
from tests.activities.clusters import fresh_namespace
from tests.activities.scenes import scene


async def test_a_hundred_who_ask_at_once_ask_the_server_once() -> None:
    memory = MemoryCluster()
    recent = Recent(memory.identity("executor"))
    await asyncio.gather(*(recent.list(NODES) for _ in range(100)))
    assert [call for call in memory._store.used if call[0] == "executor"] == [
        ("executor", "list", "", "nodes")
    ]


async def test_what_is_remembered_is_forgotten_again() -> None:
    memory = MemoryCluster()
    recent = Recent(memory, seconds=0.05)
    assert await recent.list(NODES) == []
    await memory.create(NODES.ref("n"), {"kind": "Node", "metadata": {"name": "n"}})
    assert await recent.list(NODES) == []
    await asyncio.sleep(0.1)
    assert len(await recent.list(NODES)) == 1


async def test_pods_and_policies_are_never_remembered() -> None:
    memory = MemoryCluster()
    recent = Recent(memory, seconds=60)
    space = await fresh_namespace(memory)
    assert await recent.list(PODS, space) == await recent.list(NETWORK_POLICIES, space) == []
    await scene(memory, space)
    assert len(await recent.list(PODS, space)) == 2
    assert len(await recent.list(NETWORK_POLICIES, space)) == 3


async def test_who_only_looks_reads_the_whole_cluster_once_and_a_namespace_anew() -> None:
    memory = MemoryCluster()
    recent = Recent(memory, seconds=60, remembered=of_the_whole)
    space = await fresh_namespace(memory)
    assert await recent.list(PODS) == await recent.list(PODS, space) == []
    await scene(memory, space)
    assert await recent.list(PODS) == []
    assert len(await recent.list(PODS, space)) == 2


class Restarting(MemoryCluster):
    """Does not answer the first listing."""

    answers = False

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        if not self.answers:
            self.answers = True
            raise Unavailable("restarting")
        return await super().list(resource, namespace, labels)


async def test_an_error_is_told_and_not_remembered() -> None:
    recent = Recent(Restarting(), seconds=60)
    with pytest.raises(Unavailable):
        await recent.list(NODES)
    assert await recent.list(NODES) == []
