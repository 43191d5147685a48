"""The memory cluster through its socket: one cluster for all processes, each under its own name."""

from pathlib import Path

import pytest

from activities.adapters.memory import MemoryCluster
from activities.adapters.memory_wire import WireCluster, serve, socket_path
from activities.ports import NAMESPACES, PODS
from signals.errors import NotFound, Unavailable


async def test_who_connects_sees_the_same_cluster_under_its_own_name(tmp_path: Path) -> None:
    memory = MemoryCluster()
    async with serve(memory, tmp_path), WireCluster.connect(tmp_path, "oncall") as wire:
        assert wire.ref == memory.ref
        manifest = {"kind": "Namespace", "metadata": {"name": "shop"}}
        made = await wire.create(NAMESPACES.ref("shop"), manifest)
        assert await memory.get(NAMESPACES.ref("shop")) == made
        with pytest.raises(NotFound, match="pods/shop/none"):
            await wire.identity("lead").get(PODS.ref("none", "shop"))
    assert memory.used("oncall") == {("namespaces", "create")}
    assert memory.used("lead") == {("pods", "get")}


async def test_where_nobody_serves_it_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        async with WireCluster.connect(tmp_path):
            pass


async def test_when_its_process_ends_it_is_unavailable_and_the_socket_is_gone(tmp_path: Path) -> None:
    async with serve(MemoryCluster(), tmp_path) as path:
        assert path.exists()
        context = WireCluster.connect(tmp_path)
        wire = await context.__aenter__()
    assert not path.exists()
    with pytest.raises(Unavailable):
        await wire.list(PODS)
    with pytest.raises(Unavailable):
        await anext(wire.watch(PODS))
    await context.__aexit__(None, None, None)


async def test_a_state_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 120)
    state.mkdir()
    assert len(bytes(socket_path(state))) <= 107
    assert socket_path(state) != socket_path(tmp_path / ("y" * 120))
    async with serve(MemoryCluster(), state), WireCluster.connect(state) as wire:
        assert await wire.list(PODS) == []


async def test_only_its_owner_may_open_the_socket(tmp_path: Path) -> None:
    async with serve(MemoryCluster(), tmp_path) as path:
        assert path.stat().st_mode & 0o077 == 0
