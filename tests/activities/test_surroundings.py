"""What of the cluster itself an action would touch is seen while planning."""

from typing import Any

import pytest

from activities import actions
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.ports import ENDPOINT_SLICES, NODES, PODS, SERVICES, Manifest, Resource
from activities.surroundings import API_SERVICES, WEBHOOKS
from signals.catalog import load
from signals.errors import Refused
from signals.plans import ActionPlan
from signals.threats import Peer
from tests.activities.acting import CASE, action, entity
from tests.activities.clusters import fresh_namespace
from tests.activities.scenes import Scene, pod, scene

ACTIONS = load(actions, Action)


async def put(cluster: MemoryCluster, resource: Resource, name: str, kind: str, **fields: Any) -> None:
    metadata = {"name": name, **fields.pop("metadata", {})}
    namespace = metadata.get("namespace")
    await cluster.create(resource.ref(name, namespace), {"kind": kind, "metadata": metadata, **fields})


async def block(cluster: MemoryCluster, here: Scene, address: str, **peer: Any) -> ActionPlan:
    asked = action("block_flow", entity(cluster, here.pod), peer=Peer(address=address, **peer))
    return await ACTIONS["block_flow"].plan(cluster, asked, CASE)


async def furnished() -> tuple[MemoryCluster, Scene]:
    """Return a cluster with an API server, DNS and a node, and the usual scene."""
    cluster = MemoryCluster()
    here = await scene(cluster, await fresh_namespace(cluster))
    addresses = [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.0.2.1"}]
    await put(cluster, NODES, "n1", "Node", status={"addresses": addresses})
    for namespace, name, virtual, real in (
        ("default", "kubernetes", "10.96.0.1", "192.0.2.10"),
        ("kube-system", "kube-dns", "10.96.0.10", "10.0.9.9"),
        ("kube-system", "metrics", "10.96.0.11", "10.0.9.8"),
    ):
        metadata = {"namespace": namespace}
        await put(cluster, SERVICES, name, "Service", metadata=metadata, spec={"clusterIPs": [virtual]})
        labelled: dict[str, Any] = {
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        }
        endpoints = [{"addresses": [real]}]
        await put(
            cluster, ENDPOINT_SLICES, f"{name}-x", "EndpointSlice", metadata=labelled, endpoints=endpoints
        )
    return cluster, here


@pytest.mark.parametrize(
    ("address", "concern"),
    [
        ("192.0.2.1", "192.0.2.1 is node n1"),
        ("10.96.0.1", "10.96.0.1 is the API server"),
        ("192.0.2.10", "192.0.2.10 is the API server"),
        ("::ffff:192.0.2.10", "192.0.2.10 is the API server"),
        ("10.96.0.10", "10.96.0.10 is the cluster's DNS"),
        ("10.0.9.9", "10.0.9.9 is the cluster's DNS"),
        ("169.254.20.10", "169.254.20.10 is the node's DNS"),
    ],
)
async def test_a_peer_that_the_cluster_needs_is_a_concern(address: str, concern: str) -> None:
    cluster, here = await furnished()
    assert (await block(cluster, here, address)).concerns == (concern,)


@pytest.mark.parametrize("address", ["203.0.113.7", "10.96.0.11", "2001:db8::1"])
async def test_any_other_peer_is_none(address: str) -> None:
    cluster, here = await furnished()
    assert (await block(cluster, here, address)).concerns == ()


class Narrow(MemoryCluster):
    """Shows nothing but pods and policies."""

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        if resource.plural not in ("pods", "networkpolicies"):
            raise Refused(f"{resource.plural} is forbidden")
        return await super().list(resource, namespace, labels)


@pytest.mark.parametrize("kind", ["block_flow", "isolate_pod"])
async def test_what_cannot_be_seen_is_a_concern(kind: str) -> None:
    cluster = Narrow()
    here = await scene(cluster, await fresh_namespace(cluster))
    plan = await ACTIONS[kind].plan(cluster, here.action(cluster, kind), CASE)
    assert "cannot be seen" in plan.concerns[0]


def webhook(namespace: str, **fields: Any) -> list[dict[str, Any]]:
    service = {"namespace": namespace, "name": "hook"}
    return [{"name": "check.example.com", "clientConfig": {"service": service}, **fields}]


async def isolated(cluster: MemoryCluster, here: Scene) -> tuple[str, ...]:
    plan = await ACTIONS["isolate_pod"].plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    return plan.concerns


@pytest.mark.parametrize("resource", WEBHOOKS)
async def test_a_pod_behind_a_webhook_that_fails_closed_is_a_concern(resource: Resource) -> None:
    cluster, here = await furnished()
    metadata = {"namespace": here.space}
    await put(cluster, SERVICES, "hook", "Service", metadata=metadata, spec={"selector": {"app": "web"}})
    assert await isolated(cluster, here) == ()
    await put(cluster, resource, "w", "Configuration", webhooks=webhook(here.space))
    (concern,) = await isolated(cluster, here)
    assert "webhook check.example.com fails closed" in concern


async def test_a_pod_behind_a_webhook_that_fails_open_is_none() -> None:
    cluster, here = await furnished()
    metadata = {"namespace": here.space}
    await put(cluster, SERVICES, "hook", "Service", metadata=metadata, spec={"selector": {"app": "web"}})
    await put(cluster, WEBHOOKS[0], "w", "C", webhooks=webhook(here.space, failurePolicy="Ignore"))
    assert await isolated(cluster, here) == ()


async def test_a_pod_behind_another_service_or_none_is_none() -> None:
    cluster, here = await furnished()
    metadata = {"namespace": here.space}
    await put(cluster, SERVICES, "hook", "Service", metadata=metadata, spec={"selector": {"app": "db"}})
    await put(cluster, WEBHOOKS[0], "w", "C", webhooks=webhook(here.space))
    assert await isolated(cluster, here) == ()


async def test_a_pod_that_serves_a_part_of_the_api_is_a_concern() -> None:
    cluster, here = await furnished()
    metadata = {"namespace": here.space}
    await put(cluster, SERVICES, "hook", "Service", metadata=metadata, spec={"selector": {"app": "web"}})
    spec = {"service": {"namespace": here.space, "name": "hook"}}
    await put(cluster, API_SERVICES, "v1.example.com", "APIService", spec=spec)
    (concern,) = await isolated(cluster, here)
    assert "it serves v1.example.com" in concern


async def test_a_peer_is_blocked_as_a_pod_only_while_it_is_that_pod() -> None:
    cluster, here = await furnished()
    known = entity(cluster, here.neighbour)
    assert not (await block(cluster, here, "10.0.0.6", pod=known)).blocked
    await cluster.delete(PODS.ref("db-0", here.space))
    assert "is gone" in (await block(cluster, here, "10.0.0.6", pod=known)).blocked
    await pod(cluster, here.space, "db-0", "10.0.0.8", {})
    assert "another pod" in (await block(cluster, here, "10.0.0.6", pod=known)).blocked


async def test_an_address_of_a_neighbour_is_blocked_as_that_pod() -> None:
    cluster, here = await furnished()
    plan = await block(cluster, here, "10.0.0.6")
    marked = {write.ref.name: write.labels for write in plan.writes if write.kind == "mark"}
    assert set(marked) == {"web-0", "db-0"}
    assert [key for key in marked["db-0"] if key.startswith("firebreak.dev/p-")]


@pytest.mark.parametrize(
    ("address", "reason"),
    [("example.com", "is not an address"), ("", "is not an address"), ("10.0.0.5", "with itself")],
)
async def test_what_is_no_other_end_is_not_blocked(address: str, reason: str) -> None:
    cluster, here = await furnished()
    plan = await block(cluster, here, address)
    assert reason in plan.blocked
    assert plan.writes == ()


async def test_without_another_end_there_is_nothing_to_block() -> None:
    cluster, here = await furnished()
    asked = action("block_flow", entity(cluster, here.pod))
    assert "names no other end" in (await ACTIONS["block_flow"].plan(cluster, asked, CASE)).blocked


@pytest.mark.parametrize("kind", ["block_flow", "isolate_pod"])
async def test_a_pod_on_the_nodes_own_network_is_not_containable(kind: str) -> None:
    cluster, here = await furnished()
    change = [{"op": "add", "path": "/spec/hostNetwork", "value": True}]
    await cluster.patch(PODS.ref("web-0", here.space), change)
    plan = await ACTIONS[kind].plan(cluster, here.action(cluster, kind), CASE)
    assert "not containable by policy" in plan.blocked


async def test_in_a_storm_the_pods_that_can_be_held_are_held_and_the_others_named() -> None:
    cluster, here = await furnished()
    pods = [await pod(cluster, here.space, f"w-{n}", f"10.0.2.{n}", {"app": "web"}) for n in range(8)]
    await cluster.delete(PODS.ref("w-3", here.space))
    asked = action("isolate_pod", *(entity(cluster, one) for one in pods))
    plan = await ACTIONS["isolate_pod"].plan(cluster, asked, CASE)
    assert not plan.blocked
    assert len([write for write in plan.writes if write.kind == "mark"]) == 7
    assert any("w-3 is gone" in text for text in plan.residual)
