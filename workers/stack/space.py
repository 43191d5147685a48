"""Measures the room that the servers have: their file systems, and their streams."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric

from workers.stack import nats
from workers.stack.layout import Layout
from workers.stack.room import Room, Store


def room(layout: Layout) -> Room:
    """Return how much room there is now."""
    places = {
        "temporal": layout.data,
        "nats": layout.data / "nats",
        "etcd": layout.data / "etcd",
        "context-store": layout.context,
    }
    found = (_store(server, path) for server, path in places.items())
    return Room(stores=tuple(store for store in found if store), streams=_shares(nats.streams(layout)))


def families(found: Room) -> tuple[Metric, ...]:
    """Return the same as metrics."""
    free = GaugeMetricFamily(
        "firebreak_store_free_bytes", "Free space on the file system of a store", labels=["store"]
    )
    size = GaugeMetricFamily(
        "firebreak_store_size_bytes", "Size of the file system of a store", labels=["store"]
    )
    used = GaugeMetricFamily(
        "firebreak_stream_used_ratio", "Share of its limit that a stream holds", labels=["stream"]
    )
    for store in found.stores:
        free.add_metric([store.server], store.free_bytes)
        size.add_metric([store.server], store.size_bytes)
    for stream, share in (found.streams or {}).items():
        used.add_metric([stream], share)
    return free, size, used


def _store(server: str, path: Path) -> Store | None:
    try:
        told = os.statvfs(path)
    except OSError:
        return None
    free, size = told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize
    return Store(server=server, path=str(path), free_bytes=free, size_bytes=size)


def _shares(streams: Sequence[nats.Stream] | None) -> dict[str, float] | None:
    if streams is None:
        return None
    return {one.name: one.bytes / one.most for one in streams if one.refuses and one.most > 0}


def begun(troubles: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Return the troubles that were not there before."""
    before = set(known)
    return {about: text for about, text in troubles.items() if about not in before}
