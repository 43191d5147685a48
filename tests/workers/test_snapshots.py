"""Copies of the context store in the object store: a lost disk is rebuilt from the last of them."""

import random
from pathlib import Path

import pytest

from activities.adapters.version_file import VersionFile
from signals.errors import BadInput, Unavailable
from signals.subjects import CONTEXT_STORE, FORENSIC_INVESTIGATOR
from tests.activities.graph.past_worlds import World, seen
from tests.nats_server import NatsServer, connected, nats_server
from workers import snapshots

__all__ = ["nats_server"]


async def test_a_lost_disk_is_rebuilt_from_the_last_copy(nats_server: NatsServer, tmp_path: Path) -> None:
    made = World(tmp_path / "versions.db", random.Random(11))
    made.live_on(150)
    rebuilt = tmp_path / "elsewhere" / "versions.db"
    async with connected(nats_server, CONTEXT_STORE) as bus:
        objects = bus.objects(CONTEXT_STORE)
        assert not await snapshots.restore(rebuilt, objects)
        await snapshots.put(made.writer, objects)
        first = made.now
        made.live_on(50)
        await snapshots.put(made.writer, objects)
        assert await snapshots.restore(rebuilt, objects)
        assert not await snapshots.restore(rebuilt, objects)
    with VersionFile(made.path) as store, VersionFile(rebuilt) as again:
        for at in (first, made.now):
            assert seen(store, at) == seen(again, at)
        assert again.counts()["versions"] == store.counts()["versions"]
    assert [file.name for file in rebuilt.parent.iterdir() if not file.name.startswith("versions.db")] == []
    made.writer.close()


async def test_an_object_of_many_chunks_comes_back_whole_and_a_damaged_one_does_not(
    nats_server: NatsServer,
) -> None:
    data = random.Random(1).randbytes(700_001)
    async with connected(nats_server, CONTEXT_STORE) as bus:
        objects = bus.objects(CONTEXT_STORE)
        await objects.put("large", data)
        assert await objects.get("large") == data
        assert await objects.get("nothing") is None
        await bus.append(
            f"$O.{CONTEXT_STORE}.M.bGFyZ2U=", b'{"nuid": "gone", "chunks": 2, "digest": "SHA-256="}'
        )
        with pytest.raises(BadInput, match="damaged"):
            await objects.get("large")


async def test_nobody_else_reads_or_writes_the_copies(nats_server: NatsServer, tmp_path: Path) -> None:
    async with connected(nats_server, FORENSIC_INVESTIGATOR) as bus:
        with pytest.raises(Unavailable):
            await bus.objects(CONTEXT_STORE).get(snapshots.NAME)
        assert not await snapshots.restore(tmp_path / "versions.db", bus.objects(CONTEXT_STORE))
