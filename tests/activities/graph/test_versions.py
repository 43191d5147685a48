"""The memory of the past, against a whole log of what really was: certain is never wrong, and nothing is lost."""

import random
from pathlib import Path

import pytest

from activities.adapters.version_file import VersionFile
from activities.adapters.version_retention import forget
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND, Ticks, clamped, watched
from activities.graph.past import State, Why
from activities.graph.projection import project, restore
from activities.graph.recording import Step
from tests.activities.graph.past_worlds import BEGAN, POD, World, seen

SEEDS = range(24)


def world(tmp_path: Path, seed: int, steps: int = 250) -> World:
    made = World(tmp_path / "versions.db", random.Random(seed))
    made.live_on(steps)
    return made


def moments(made: World, count: int = 150) -> list[int]:
    return [made.chance.randrange(BEGAN + SECOND, made.now) for _ in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_certain_of_a_moment_is_true_and_what_was_is_possible(tmp_path: Path, seed: int) -> None:
    made = world(tmp_path, seed)
    certain = 0
    with VersionFile(made.path) as store:
        for at in moments(made):
            truth = made.truth(at)
            likeliest, sure, possible, in_gap = seen(store, at)
            if not in_gap:
                assert sure <= set(truth.items()), (seed, at)
                assert set(truth.items()) <= possible, (seed, at)
            assert len(likeliest) >= len(sure)
            certain += len(sure)
    assert certain > 300


@pytest.mark.parametrize("seed", SEEDS)
def test_no_name_is_borne_twice_at_any_moment(tmp_path: Path, seed: int) -> None:
    made = world(tmp_path, seed)
    with VersionFile(made.path) as store:
        for at in moments(made, 80):
            state = store.state_at(at)
            names = [manifest["metadata"]["name"] for _, manifest in store.manifests(state.held)]
            assert len(names) == len(set(names)), (seed, at)
            assert {one[0] for one in state.unsure if one[2]} == set()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_forgotten_is_said_to_be_and_what_is_kept_is_answered_as_before(
    tmp_path: Path, seed: int
) -> None:
    made = world(tmp_path, seed)
    horizon = (BEGAN + made.now) // 2
    asked = [at for at in moments(made, 60) if at >= horizon]
    with VersionFile(made.path) as store:
        before = [seen(store, at) for at in asked]
        size = store.counts()["versions"]
    assert forget(made.writer, horizon, 1 << 40) > 0
    with VersionFile(made.path) as store:
        assert [seen(store, at) for at in asked] == before
        assert store.counts()["versions"] < size
        assert [one.why for one in store.state_at(horizon - SECOND).missing][:1] == [Why.FORGOTTEN]
    made.writer.close()


def test_a_file_that_grew_too_large_forgets_the_oldest_and_keeps_what_is(tmp_path: Path) -> None:
    made = world(tmp_path, 1, steps=600)
    forget(made.writer, 0, 1)
    with VersionFile(made.path) as store:
        counts = store.counts()
        assert counts["versions"] == counts["objects"] == len(made.live)
        assert seen(store, made.now)[0] == made.truth(made.now)
    made.writer.close()


def test_a_file_that_is_a_little_too_large_forgets_a_little(tmp_path: Path) -> None:
    writer, chance = VersionWriter(tmp_path / "versions.db"), random.Random(1)
    recorder = writer.recorder(POD)
    steps: list[Step] = []
    for number in range(2000):  # every version has a body of its own, which is most of the room that it takes
        labels = {f"label-{one}": chance.randbytes(24).hex() for one in range(20)}
        metadata = {"name": "web", "namespace": "shop", "uid": "u", "labels": labels}
        made = {"metadata": {**metadata, "resourceVersion": str(number + 1)}, "spec": {}}
        steps += recorder.changed("MODIFIED" if number else "ADDED", made, BEGAN + number * SECOND, None)
    with writer.transaction():
        writer.write(POD, steps, "2000", BEGAN)
    with VersionFile(writer.path) as store:
        size = store.counts()["bytes"]
    assert 0 < forget(writer, 0, size * 9 // 10) < 2000 // 4
    writer.close()


def test_a_reading_of_the_counter_dates_every_change_before_and_after_it() -> None:
    ticks = Ticks()
    ticks.note(10, 12, 100)
    ticks.note(20, 23, 107)
    assert ticks.bounds(100) == (None, 12)
    assert ticks.bounds(104) == (10, 23)
    assert ticks.bounds(107) == (10, 23)
    assert ticks.bounds(108) == (20, None)
    assert (ticks.complete_until(99), ticks.complete_until(106), ticks.complete_until(107)) == (None, 10, 20)


def test_a_counter_that_goes_back_is_another_one() -> None:
    ticks = Ticks()
    ticks.note(10, 12, 100)
    ticks.note(20, 23, 7)
    assert ticks.bounds(50) == (20, None)


@pytest.mark.parametrize("stamp", [0, 5 * SECOND, 10**18, None])
def test_no_time_that_an_object_claims_makes_it_certain_when_it_changed(stamp: int | None) -> None:
    ticks = Ticks()
    ticks.note(100 * SECOND, 100 * SECOND + 1, 50)
    when = watched(51, 101 * SECOND, stamp, ticks)
    assert (when.lo, when.hi) == (100 * SECOND, 101 * SECOND)
    assert when.lo <= when.at <= when.hi


def test_an_interval_never_begins_after_its_end() -> None:
    assert clamped(9, 7, 5).lo == clamped(9, 7, 5).at == clamped(9, 7, 5).hi == 5


def test_neither_secrets_in_the_environment_nor_what_somebody_applied_are_kept() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "namespace": "n",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-25T01:00:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "planted", "kept": "yes"},
            "managedFields": [{"time": "2026-11-25T01:00:05Z", "manager": "planted"}],
        },
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "env": [
                        {"name": "PASSWORD", "value": "planted"},
                        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    ],
                }
            ]
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"message": "planted"}]},
    }
    projected = project("Pod", pod)
    assert b"planted" not in projected.body
    assert b"PASSWORD" in projected.body
    assert b"secretKeyRef" in projected.body
    assert pod["spec"]["containers"][0]["env"][0]["value"] == "planted"  # type: ignore[index]
    only = project("Secret", {**pod, "data": {"k": "cGxhbnRlZA=="}}, metadata_only=True)
    assert b"cGxhbnRlZA" not in only.body
    assert b"spec" not in only.body


def test_a_heartbeat_makes_no_version(tmp_path: Path) -> None:
    made = World(tmp_path / "versions.db", random.Random(3))
    pod = {"metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "201", "labels": {}}}
    steps = [*made.recorder.changed("ADDED", pod, made.now, None)]
    again = {"metadata": {**pod["metadata"], "resourceVersion": "202"}, "status": {"conditions": [1]}}
    assert len(steps) == 1
    assert [*made.recorder.changed("MODIFIED", again, made.now + 5, None)] == []
    assert made.recorder.revision == "202"
    made.writer.close()


def test_a_state_counts_objects_that_are_not_certain_once() -> None:
    state = State(1, ((1, 1, 0, 1), (2, 3, 1, 1)), ((1, 2, 0, 0), (4, 9, 0, 0)), ())
    assert state.uncertain == 2


def test_a_manifest_comes_back_as_it_was_taken_apart() -> None:
    from activities.graph.projection import Named

    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"a": "b"}},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    projected = project("Role", role)
    named = Named("rbac.authorization.k8s.io/v1", "Role", "n", "r", "u")
    assert restore(named, projected.revision, projected.body) == role
