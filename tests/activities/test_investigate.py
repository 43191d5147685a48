"""An investigation answers whatever happens to its probes."""

import asyncio

import pytest
from temporalio.testing import ActivityEnvironment

import activities.investigate
import activities.probes
from activities.adapters.memory import MemoryCluster
from activities.investigate import MOST_SUBJECTS, Investigating
from activities.ports import PODS
from activities.probe import Answer, Probe, Reads, read_pod
from signals.catalog import load
from signals.entities import ClusterRef, Entity
from signals.errors import Unavailable
from signals.incidents import Investigation
from signals.requests import InvestigationRequest
from tests.activities.sample import CLUSTER, SECRET, SHOP, entity, pod, shop

PROBES = load(activities.probes, Probe)


async def collect(
    cluster: MemoryCluster,
    *subjects: Entity,
    probes: dict[str, Probe] | None = None,
    where: ClusterRef = CLUSTER,
) -> Investigation:
    """Run the activity as Temporal would."""
    investigating = Investigating(cluster, PROBES if probes is None else probes)
    request = InvestigationRequest(incident="shop-web-0-1", cluster=where, subjects=subjects)
    return await ActivityEnvironment().run(investigating.collect_evidence, request)


def probe(name: str, ask: object) -> dict[str, Probe]:
    """Return all probes, and one more that asks so."""
    return {**PROBES, name: Probe(name=name, question="?", permissions=(), ask=ask)}  # type: ignore[arg-type]  # any callable


async def test_a_pods_surroundings_become_one_graph() -> None:
    cluster, first = await shop()
    found = await collect(cluster, entity(first))
    kinds = {node.entity.kind for node in found.nodes}
    assert kinds == {
        "Pod", "ReplicaSet", "Deployment", "ServiceAccount", "Node", "Service", "NetworkPolicy", "Event", "Image",
        "Secret", "RoleBinding", "ClusterRoleBinding", "ClusterRole", "Namespace",
    }  # fmt: skip
    assert found.missing == ()
    assert len({node.id for node in found.nodes}) == len(found.nodes)
    assert SECRET not in found.model_dump_json()


async def test_the_same_cluster_gives_the_same_investigation() -> None:
    cluster, first = await shop()
    assert await collect(cluster, entity(first)) == await collect(cluster, entity(first))


async def test_each_thing_is_read_once_however_many_probes_ask_for_it() -> None:
    cluster, first = await shop()
    await collect(cluster.identity("investigator"), entity(first))
    calls = [call[1:] for call in cluster._store.used if call[0] == "investigator"]
    assert calls.count(("get", "", "pods")) == 1


async def test_a_pod_known_by_name_only_is_investigated_all_the_same() -> None:
    cluster, first = await shop()
    named = entity(first).model_copy(update={"uid": None})
    assert await collect(cluster, named) == await collect(cluster, entity(first))


async def test_a_pod_that_is_gone_is_said_by_every_probe_and_raises_nothing() -> None:
    cluster, first = await shop()
    await cluster.delete(PODS.ref("web-0", SHOP))
    found = await collect(cluster, entity(first))
    assert found.nodes == ()
    assert {line.split(" of ")[0] for line in found.missing} == set(PROBES)
    assert "pod of pod/shop/web-0: pods/shop/web-0 does not exist" in found.missing


async def test_a_probe_that_fails_costs_only_its_own_answer() -> None:
    async def unreachable(cluster: Reads, subject: Entity) -> Answer:
        raise Unavailable("the API server did not answer")

    async def broken(cluster: Reads, subject: Entity) -> Answer:
        raise KeyError(SECRET)

    cluster, first = await shop()
    whole = await collect(cluster, entity(first))
    found = await collect(
        cluster, entity(first), probes={**probe("far", unreachable), **probe("bad", broken)}
    )
    assert found.nodes == whole.nodes
    assert found.missing == (
        "bad of pod/shop/web-0: the probe failed with KeyError",
        "far of pod/shop/web-0: the API server did not answer",
    )


async def test_a_slow_probe_is_left_behind_and_the_rest_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(cluster: Reads, subject: Entity) -> Answer:
        await read_pod(cluster, subject)
        await asyncio.Event().wait()
        return Answer()

    monkeypatch.setattr(activities.investigate, "PATIENCE", 0.2)
    cluster, first = await shop()
    found = await collect(cluster, entity(first), probes=probe("slow", slow))
    assert found.missing == ("slow of pod/shop/web-0: no answer within 0.2 s",)
    assert len(found.nodes) > 10


async def test_a_stopped_investigation_stops() -> None:
    started = asyncio.Event()

    async def slow(cluster: Reads, subject: Entity) -> Answer:
        started.set()
        await asyncio.Event().wait()
        return Answer()

    cluster, first = await shop()
    running = asyncio.create_task(collect(cluster, entity(first), probes=probe("slow", slow)))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_no_probe_can_look_at_is_said() -> None:
    cluster, _ = await shop()
    image = Entity(cluster=CLUSTER, kind="Image", name="sha256:1")
    assert (await collect(cluster, image)).missing == (
        "image/sha256:1: no probe looks at a thing of kind Image",
    )


async def test_another_clusters_incident_is_not_looked_up_in_ours() -> None:
    cluster, first = await shop()
    found = await collect(cluster, entity(first), where=ClusterRef(name="other", uid="0"))
    assert found == Investigation(missing=("nothing was asked: other is not our cluster",))


async def test_a_storm_is_sampled_and_the_rest_is_counted() -> None:
    cluster, _ = await shop()
    pods = [await pod(cluster, f"storm-{number}") for number in range(MOST_SUBJECTS + 4)]
    found = await collect(cluster, *(entity(one) for one in pods), probes={"pod": PROBES["pod"]})
    assert found.missing == ("4 more subjects were not asked about",)
    assert sum(node.entity.kind == "Pod" for node in found.nodes) == MOST_SUBJECTS
