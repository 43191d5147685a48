"""One contract for every adapter of `Cluster`: the dictionary, its socket, and a real API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from activities.ports import (
    NAMESPACES,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    Change,
    Cluster,
    Manifest,
)
from signals.errors import Conflict, NotFound, Refused
from tests.activities.clusters import KINDS, connected, fresh_namespace

WEB = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": 80}]}]}


@pytest_asyncio.fixture(params=KINDS)
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with connected(request.param, request, tmp_path) as one:
        yield one


@pytest_asyncio.fixture
async def space(cluster: Cluster) -> str:
    return await fresh_namespace(cluster)


async def policy(cluster: Cluster, space: str, name: str = "p", **more: Any) -> Manifest:
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, **more.pop("metadata", {})},
        "spec": {**WEB, **more.pop("spec", {})},
    }
    return await cluster.create(NETWORK_POLICIES.ref(name, space), manifest, **more)


async def pod(cluster: Cluster, space: str, name: str, **labels: str) -> Manifest:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    }
    return await cluster.create(PODS.ref(name, space), manifest)


async def test_what_was_created_can_be_read(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    read = await cluster.get(NETWORK_POLICIES.ref("p", space))
    assert read == made
    assert read["kind"] == "NetworkPolicy"
    assert read["metadata"]["namespace"] == space
    assert read["metadata"]["uid"]
    assert read["metadata"]["resourceVersion"]


async def test_what_the_server_fills_in_is_filled_in(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    assert made["spec"]["policyTypes"] == ["Ingress"]
    assert made["spec"]["ingress"] == [{"ports": [{"port": 80, "protocol": "TCP"}]}]


async def test_empty_maps_and_lists_vanish_but_empty_structures_stay(cluster: Cluster, space: str) -> None:
    made = await policy(
        cluster,
        space,
        metadata={"labels": {}, "annotations": {}},
        spec={"podSelector": {"matchLabels": {}, "matchExpressions": []}, "ingress": [{"from": []}]},
    )
    assert "labels" not in made["metadata"]
    assert "annotations" not in made["metadata"]
    assert made["spec"]["podSelector"] == {}
    assert made["spec"]["ingress"] == [{}]


async def test_a_name_can_be_taken_once(cluster: Cluster, space: str) -> None:
    await policy(cluster, space)
    with pytest.raises(Conflict):
        await policy(cluster, space)


async def test_nothing_is_created_in_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        await policy(cluster, "nowhere")


async def test_a_dry_run_changes_nothing(cluster: Cluster, space: str) -> None:
    await policy(cluster, space, "ghost", dry_run=True)
    with pytest.raises(NotFound):
        await cluster.get(NETWORK_POLICIES.ref("ghost", space))
    made = await policy(cluster, space)
    ref = NETWORK_POLICIES.ref("p", space, made["metadata"]["uid"])
    change = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    assert (await cluster.patch(ref, change, dry_run=True))["metadata"]["labels"] == {"a": "b"}
    await cluster.delete(ref, dry_run=True)
    assert await cluster.get(ref) == made


async def test_a_dry_run_is_refused_as_the_write_would_be(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    with pytest.raises(Conflict):
        await policy(cluster, space, dry_run=True)
    with pytest.raises(Conflict):
        await cluster.delete(NETWORK_POLICIES.ref("p", space, "another-uid"), dry_run=True)
    assert await cluster.get(NETWORK_POLICIES.ref("p", space)) == made


async def test_labels_choose_what_is_listed(cluster: Cluster, space: str) -> None:
    await pod(cluster, space, "a", app="web", tier="front")
    await pod(cluster, space, "b", app="db")
    await pod(cluster, space, "c")

    async def names(labels: str) -> list[str]:
        return [item["metadata"]["name"] for item in await cluster.list(PODS, space, labels)]

    assert await names("") == ["a", "b", "c"]
    assert await names("app=web") == ["a"]
    assert await names("app") == ["a", "b"]
    assert await names("!app") == ["c"]
    assert await names("app!=web") == ["b", "c"]
    assert await names("app in (web, db),tier notin (back)") == ["a", "b"]


async def test_a_listed_object_is_whole(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    assert await cluster.list(NETWORK_POLICIES, space) == [made]
    assert made in await cluster.list(NETWORK_POLICIES)


async def test_a_patch_changes_what_it_says_and_the_version(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    ref = NETWORK_POLICIES.ref("p", space)
    term = {"key": "a", "operator": "NotIn", "values": ["x"]}
    path = "/spec/podSelector/matchExpressions"
    changed = await cluster.patch(ref, [{"op": "add", "path": path, "value": [term]}])
    assert changed["spec"]["podSelector"]["matchExpressions"] == [term]
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    second = await cluster.patch(ref, [{"op": "add", "path": f"{path}/-", "value": {**term, "key": "b"}}])
    assert [t["key"] for t in second["spec"]["podSelector"]["matchExpressions"]] == ["a", "b"]
    back = await cluster.patch(ref, [{"op": "remove", "path": f"{path}/{n}"} for n in (1, 0)])
    assert back["spec"] == made["spec"]


async def test_a_patch_that_changes_nothing_keeps_the_version(cluster: Cluster, space: str) -> None:
    await pod(cluster, space, "a", app="web")
    first = await cluster.get(PODS.ref("a", space))
    again = await cluster.patch(
        PODS.ref("a", space), [{"op": "add", "path": "/metadata/labels/app", "value": "web"}]
    )
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/uid", "value": "another"},
        {"op": "test", "path": "/metadata/labels/app", "value": "db"},
        {"op": "add", "path": "/metadata/annotations/a", "value": "b"},
        {"op": "remove", "path": "/metadata/labels/none"},
    ],
)
async def test_a_patch_on_what_is_not_so_is_a_conflict(
    cluster: Cluster, space: str, operation: Manifest
) -> None:
    made = await pod(cluster, space, "a", app="web")
    change = {"op": "add", "path": "/metadata/labels/new", "value": "x"}
    with pytest.raises(Conflict):
        await cluster.patch(PODS.ref("a", space), [operation, change])
    assert (await cluster.get(PODS.ref("a", space)))["metadata"]["labels"] == made["metadata"]["labels"]


async def test_a_test_for_null_is_a_test_that_nothing_is_there(cluster: Cluster, space: str) -> None:
    await pod(cluster, space, "a", app="web")
    path = "/metadata/labels/firebreak.dev~1m-0123abcd"
    nothing, change = {"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": "x"}
    made = await cluster.patch(PODS.ref("a", space), [nothing, change])
    assert made["metadata"]["labels"] == {"app": "web", "firebreak.dev/m-0123abcd": "x"}
    with pytest.raises(Conflict):
        await cluster.patch(PODS.ref("a", space), [nothing, {**change, "value": "y"}])


async def test_keys_with_slashes_are_patched(cluster: Cluster, space: str) -> None:
    await pod(cluster, space, "a", app="web")
    path = "/metadata/labels/firebreak.dev~1case"
    made = await cluster.patch(PODS.ref("a", space), [{"op": "add", "path": path, "value": "x"}])
    assert made["metadata"]["labels"] == {"app": "web", "firebreak.dev/case": "x"}


async def test_the_last_label_takes_the_map_with_it(cluster: Cluster, space: str) -> None:
    await pod(cluster, space, "a", app="web")
    bare = await cluster.patch(PODS.ref("a", space), [{"op": "remove", "path": "/metadata/labels/app"}])
    assert "labels" not in bare["metadata"]


async def test_only_the_very_object_is_deleted(cluster: Cluster, space: str) -> None:
    made = await policy(cluster, space)
    with pytest.raises(Conflict):
        await cluster.delete(NETWORK_POLICIES.ref("p", space, "another-uid"))
    await cluster.delete(NETWORK_POLICIES.ref("p", space, made["metadata"]["uid"]))
    with pytest.raises(NotFound):
        await cluster.get(NETWORK_POLICIES.ref("p", space))
    with pytest.raises(NotFound):
        await cluster.delete(NETWORK_POLICIES.ref("p", space))


async def test_a_watch_tells_what_is_there_and_then_what_changes(cluster: Cluster, space: str) -> None:
    await policy(cluster, space, "before")
    changes: asyncio.Queue[Change] = asyncio.Queue()

    async def follow() -> None:
        async with aclosing(cast(Any, cluster.watch(NETWORK_POLICIES, space))) as stream:
            async for change in stream:
                changes.put_nowait(change)

    async def told() -> tuple[str, str]:
        change = await asyncio.wait_for(changes.get(), 10)
        return change.type, (change.object.get("metadata") or {}).get("name", "")

    task = asyncio.create_task(follow())
    try:
        assert await told() == ("ADDED", "before")
        assert await told() == ("SYNCED", "")
        await policy(cluster, space, "after")
        assert await told() == ("ADDED", "after")
        ref = NETWORK_POLICIES.ref("after", space)
        await cluster.patch(ref, [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}])
        assert await told() == ("MODIFIED", "after")
        await cluster.delete(ref)
        assert await told() == ("DELETED", "after")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_namespace_carries_its_name_as_a_label(cluster: Cluster, space: str) -> None:
    made = await cluster.get(NAMESPACES.ref(space))
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == space


async def test_a_cluster_knows_which_one_it_is(cluster: Cluster) -> None:
    assert cluster.ref.name
    assert cluster.ref.uid


async def running(cluster: Cluster, space: str, name: str) -> Manifest:
    """Create a pod that counts for a budget."""
    await pod(cluster, space, name, app="web")
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    status = [{"op": "add", "path": "/status", "value": ready}]
    return await cluster.patch(PODS.ref(name, space), status, subresource="status")


async def budget(cluster: Cluster, space: str, name: str, allowed: int) -> None:
    """Create a budget over the web pods, as its controller leaves it."""
    ref = POD_DISRUPTION_BUDGETS.ref(name, space)
    spec = {"minAvailable": 1 - allowed, "selector": {"matchLabels": {"app": "web"}}}
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": spec,
    }
    await cluster.create(ref, body)
    status = {
        "disruptionsAllowed": allowed,
        "currentHealthy": 1,
        "desiredHealthy": 1 - allowed,
        "expectedPods": 1,
    }
    value = {**status, "observedGeneration": 1}
    await cluster.patch(ref, [{"op": "add", "path": "/status", "value": value}], subresource="status")


async def test_an_eviction_asked_for_changes_nothing_and_done_it_takes_the_very_pod(
    cluster: Cluster, space: str
) -> None:
    made = await pod(cluster, space, "web-0", app="web")
    ref = PODS.ref("web-0", space, made["metadata"]["uid"])
    await cluster.evict(ref, grace_seconds=1, dry_run=True)
    assert (await cluster.get(ref))["metadata"]["uid"] == ref.uid
    stranger = ref.model_copy(update={"uid": "00000000-0000-0000-0000-000000000000"})
    for dry_run in (True, False):
        with pytest.raises(Conflict):
            await cluster.evict(stranger, grace_seconds=1, dry_run=dry_run)
    await cluster.evict(ref, grace_seconds=1)
    with pytest.raises(NotFound):
        await cluster.get(ref)
    with pytest.raises(NotFound):
        await cluster.evict(ref, grace_seconds=1)


async def test_a_disruption_budget_refuses_an_eviction_for_good_and_says_why(
    cluster: Cluster, space: str
) -> None:
    made = await running(cluster, space, "web-0")
    ref = PODS.ref("web-0", space, made["metadata"]["uid"])
    await budget(cluster, space, "web", 0)
    for dry_run in (True, False):
        with pytest.raises(Refused, match=r"disruption budget.*needs 1 healthy pods and has 1"):
            await cluster.evict(ref, grace_seconds=1, dry_run=dry_run)
    await budget(cluster, space, "web-too", 1)
    with pytest.raises(Refused, match="more than one PodDisruptionBudget"):
        await cluster.evict(ref, grace_seconds=1)
    assert await cluster.get(ref)


async def test_an_eviction_of_another_pod_of_that_name_spends_the_budget_and_asking_first_does_not(
    cluster: Cluster, space: str
) -> None:
    await running(cluster, space, "web-0")
    await budget(cluster, space, "web", 1)
    stranger = PODS.ref("web-0", space, "00000000-0000-0000-0000-000000000000")

    async def allowed() -> int:
        left = await cluster.get(POD_DISRUPTION_BUDGETS.ref("web", space))
        return int(left["status"].get("disruptionsAllowed", 0))

    for dry_run, left in ((True, 1), (False, 0)):
        with pytest.raises(Conflict):
            await cluster.evict(stranger, grace_seconds=1, dry_run=dry_run)
        assert await allowed() == left
