"""How much room the servers have, in words and as metrics."""

from workers.stack.room import MIB, Room, Store
from workers.stack.space import begun, families


def store(free: int, size: int = 100 * MIB) -> Store:
    return Store(server="nats", path="/data/nats", free_bytes=free, size_bytes=size)


def test_enough_room_is_no_trouble() -> None:
    assert Room(stores=(store(50 * MIB),), streams={"FEED_runtime-guardian": 0.79}).troubles == {}
    assert Room(stores=(store(2 << 30, 1 << 40),), streams=None).troubles == {}


def test_what_is_short_of_room_says_what_to_do() -> None:
    full = Room(stores=(store(MIB),), streams={"DEAD_orchestrator": 0.9, "FEED_rbac-auditor": 0.85}).troubles
    assert "nats is out of space: 1 of 100 MiB are free at /data/nats" in full["nats"]
    assert "goes on by itself" in full["nats"]
    assert "90 % full" in full["DEAD_orchestrator"]
    assert "firebreak deadletters list" in full["DEAD_orchestrator"]
    assert "its log" in full["FEED_rbac-auditor"]
    assert "soon" in Room(stores=(store(4 * MIB),), streams=None).troubles["nats"]


def test_a_trouble_is_new_once_until_it_is_over() -> None:
    assert begun({"nats": "out"}, ()) == {"nats": "out"}
    assert begun({"nats": "out, by another megabyte"}, {"nats": "out"}) == {}


def test_what_is_low_and_then_full_begins_twice() -> None:
    low, full = (
        Room(stores=(store(free, 10_000 * MIB),), streams=None).troubles for free in (100 * MIB, MIB)
    )
    assert "soon" in low["nats"]
    assert ["out of space" in text for text in begun(full, low).values()] == [True]


def test_the_same_is_told_as_metrics() -> None:
    found = families(Room(stores=(store(MIB),), streams={"FEED_rbac-auditor": 0.25}))
    values = {(one.name, *one.labels.values()): one.value for family in found for one in family.samples}
    assert values == {
        ("firebreak_store_free_bytes", "nats"): MIB,
        ("firebreak_store_size_bytes", "nats"): 100 * MIB,
        ("firebreak_stream_used_ratio", "FEED_rbac-auditor"): 0.25,
    }
