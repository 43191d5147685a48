"""Whose doing an alert is: every way to name a pod, and every doubt in words."""

import asyncio
from typing import Any

import pytest

from activities.ports import ENROLMENTS, PODS, REPLICA_SETS, Change, Manifest
from signals.detector import record
from signals.entities import ClusterRef, Entity
from signals.telemetry.falco import Alert, Scalar
from signals.threats import Mode
from workers.attribution import Attributing, Attribution
from workers.pod_index import PodIndex, short_id

CLUSTER = ClusterRef(name="test", uid="c-1")
CONTAINER = "3fb74555883c0a1b2c3d4e5f60718293a4b5c6d7e8f9012345678901234567ab"
CREATED = "2026-01-01T00:00:00Z"
BORN = 1767225600 * 10**9


def manifest(name: str = "web-0", uid: str = "u-1", **given: Any) -> Manifest:
    owner = {"kind": "ReplicaSet", "name": "web-7d9", "uid": "rs-1", "controller": True}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "creationTimestamp": CREATED,
            "ownerReferences": given.pop("owners", [owner]),
        },
        "spec": {
            "nodeName": given.pop("node", "node-1"),
            "serviceAccountName": given.pop("account", "web"),
            "hostNetwork": given.pop("host_network", False),
        },
        "status": {
            "phase": "Running",
            "podIP": given.pop("address", "10.0.0.7"),
            "containerStatuses": given.pop(
                "containers", [{"containerID": f"containerd://{CONTAINER}", "imageID": "web@sha256:abc"}]
            ),
        },
    }


def replica_set() -> Manifest:
    owner = {"kind": "Deployment", "name": "web", "uid": "d-1", "controller": True}
    return {"metadata": {"name": "web-7d9", "namespace": "shop", "uid": "rs-1", "ownerReferences": [owner]}}


def enrolment(mode: str = "auto") -> Manifest:
    return {"metadata": {"name": "shop", "uid": "e-1"}, "spec": {"mode": mode}}


def index_of(*pods: Manifest) -> PodIndex:
    index = PodIndex(CLUSTER)
    for one in pods:
        index.apply(PODS, Change("ADDED", one))
    return index


def find(index: PodIndex, alert: Alert, *, about_node: bool = False) -> Attribution:
    return Attributing(CLUSTER, index).find(alert, about_node=about_node)


def seen(fields: dict[str, Scalar] | None = None, *, output: str = "", **given: Any) -> Alert:
    base = record("R", fields or {}, output=output)
    return Alert(**{name: getattr(base, name) for name in Alert.__struct_fields__} | given)


NAMED: dict[str, Scalar] = {"k8s.ns.name": "shop", "k8s.pod.name": "web-0"}


@pytest.mark.parametrize(
    "fields",
    [
        NAMED,
        {"k8s.pod.uid": "u-1"},
        {"container.id": CONTAINER[:12]},
        {"container.id": CONTAINER},
        {"container.id": f"containerd://{CONTAINER}"},
        {"container.id": CONTAINER[:31]},
        {**NAMED, "container.id": CONTAINER[:12], "k8s.pod.uid": "u-1"},
    ],
)
def test_a_pod_is_found_by_every_name_it_has(fields: dict[str, Scalar]) -> None:
    found = find(index_of(manifest()), seen(fields, hostname="node-1"))
    assert found.subject == Entity(cluster=CLUSTER, kind="Pod", name="web-0", namespace="shop", uid="u-1")
    assert found.where == "pod shop/web-0"
    assert found.caveats == ()


def test_a_pod_is_found_in_the_text_where_there_are_no_fields() -> None:
    for output in (
        "Notice x (k8s.ns=shop k8s.pod=web-0 container=3fb)",
        "Notice x | k8s_ns_name=shop k8s_pod_name=web-0",
        "Notice x (container_id=3fb74555883c)",
    ):
        assert find(index_of(manifest()), seen(output=output)).subject.uid == "u-1"


def test_the_owner_is_followed_to_the_deployment() -> None:
    index = index_of(manifest())
    assert str(find(index, seen(NAMED)).owner) == "replicaset/shop/web-7d9"
    index.apply(REPLICA_SETS, Change("ADDED", replica_set()))
    assert str(find(index, seen(NAMED)).owner) == "deployment/shop/web"
    index.apply(REPLICA_SETS, Change("DELETED", replica_set()))
    assert str(find(index, seen(NAMED)).owner) == "replicaset/shop/web-7d9"


def test_a_pod_without_an_owner_has_none() -> None:
    assert find(index_of(manifest(owners=[])), seen(NAMED)).owner is None


def test_mode_and_enrolment_are_what_firebreak_itself_records() -> None:
    index = index_of(manifest())
    assert (find(index, seen(NAMED)).enrolled, find(index, seen(NAMED)).mode) == (False, Mode.SHADOW)
    index.apply(ENROLMENTS, Change("ADDED", enrolment()))
    assert (find(index, seen(NAMED)).enrolled, find(index, seen(NAMED)).mode) == (True, Mode.AUTO)
    index.apply(ENROLMENTS, Change("MODIFIED", enrolment("nonsense")))
    assert (find(index, seen(NAMED)).enrolled, find(index, seen(NAMED)).mode) == (True, Mode.SHADOW)
    index.apply(ENROLMENTS, Change("DELETED", enrolment()))
    assert not find(index, seen(NAMED)).enrolled


def test_the_entities_around_a_pod_are_named() -> None:
    found = find(index_of(manifest()), seen({**NAMED, "container.id": CONTAINER[:12]}))
    assert [(entity.kind, entity.name) for entity in found.entities] == [
        ("Pod", "web-0"),
        ("Container", CONTAINER[:12]),
        ("ServiceAccount", "web"),
        ("Node", "node-1"),
        ("Image", "web@sha256:abc"),
    ]


def test_a_container_that_the_api_server_does_not_confirm_joins_nothing() -> None:
    found = find(index_of(manifest()), seen({**NAMED, "container.id": "ffffffffffff"}))
    assert "Container" not in {entity.kind for entity in found.entities}
    assert found.caveats == ("the API server knows no container ffffffffffff of this pod",)


def test_a_container_of_a_pod_that_reports_none_is_no_doubt() -> None:
    found = find(index_of(manifest(containers=[])), seen({**NAMED, "container.id": "ffffffffffff"}))
    assert found.caveats == ()


def test_an_account_is_named_only_if_one_workload_alone_uses_it() -> None:
    other = {"kind": "ReplicaSet", "name": "api-1", "uid": "rs-2", "controller": True}
    index = index_of(manifest(), manifest("web-1", "u-2"))
    assert "ServiceAccount" in {entity.kind for entity in find(index, seen(NAMED)).entities}
    index.apply(PODS, Change("ADDED", manifest("api-0", "u-3", owners=[other])))
    assert "ServiceAccount" not in {entity.kind for entity in find(index, seen(NAMED)).entities}
    index.apply(PODS, Change("DELETED", manifest("api-0", "u-3", owners=[other])))
    assert "ServiceAccount" in {entity.kind for entity in find(index, seen(NAMED)).entities}
    default = find(index_of(manifest(account="default")), seen(NAMED))
    assert "ServiceAccount" not in {entity.kind for entity in default.entities}


def test_a_pod_that_is_gone_keeps_its_identity_and_that_is_said() -> None:
    index = index_of(manifest())
    index.apply(PODS, Change("DELETED", manifest()))
    names: list[dict[str, Scalar]] = [NAMED, {"k8s.pod.uid": "u-1"}, {"container.id": CONTAINER[:12]}]
    for fields in names:
        found = find(index, seen(fields))
        assert found.subject.uid == "u-1"
        assert found.caveats == ("gone: the API server no longer has this pod",)


def test_the_alert_of_a_predecessor_is_not_laid_at_its_successors_door() -> None:
    index = index_of(manifest())
    found = find(index, seen(NAMED, time=BORN - 60 * 10**9))
    assert found.subject.uid is None
    assert found.caveats == ("renamed: another pod has this name now",)
    assert find(index, seen(NAMED, time=BORN - 10**9)).subject.uid == "u-1"
    other = find(index, seen({**NAMED, "k8s.pod.uid": "u-0"}))
    assert other.subject.uid is None


def test_a_successor_takes_the_name_and_the_container_still_leads_to_the_predecessor() -> None:
    index = index_of(manifest())
    index.apply(PODS, Change("DELETED", manifest()))
    index.apply(PODS, Change("ADDED", manifest(uid="u-2", containers=[])))
    assert find(index, seen(NAMED)).subject.uid == "u-2"
    assert find(index, seen({**NAMED, "container.id": CONTAINER[:12]})).subject.uid == "u-1"


def test_a_pod_that_nobody_knows_is_still_a_subject() -> None:
    fields: dict[str, Scalar] = {
        "k8s.ns.name": "shop",
        "k8s.pod.name": "ghost",
        "container.id": "abcabcabcabc",
    }
    found = find(index_of(), seen(fields, hostname="node-1"))
    assert (found.subject.kind, found.subject.name, found.subject.uid) == ("Pod", "ghost", None)
    assert found.caveats == ("unknown: the API server has no pod of this name",)
    assert found.key.endswith("/abcabcabcabc")
    assert ("Node", "node-1") in {(entity.kind, entity.name) for entity in found.entities}


def test_a_pod_that_is_called_otherwise_is_said_to_be() -> None:
    fields: dict[str, Scalar] = {"k8s.ns.name": "shop", "k8s.pod.name": "old", "container.id": CONTAINER[:12]}
    found = find(index_of(manifest()), seen(fields))
    assert found.subject.uid == "u-1"
    assert found.caveats == ("renamed: the alert calls the pod shop/old",)


def test_a_pod_on_another_host_than_the_alerts_is_unattributed() -> None:
    found = find(index_of(manifest()), seen(NAMED, hostname="node-9"))
    assert found.subject.uid == "u-1"
    assert found.caveats == ("unattributed: the alert comes from node-9, the pod runs on node-1",)
    assert found.unattributed == "the alert comes from node-9, the pod runs on node-1"


@pytest.mark.parametrize("hostname", ["node-1", "node-1.example.internal", "", "falco-x7k2p"])
def test_a_host_is_known_by_its_names(hostname: str) -> None:
    sensor = manifest("falco-x7k2p", "u-9", address="10.0.0.9", containers=[])
    assert find(index_of(manifest(), sensor), seen(NAMED, hostname=hostname)).caveats == ()


def test_a_container_alone_is_a_subject() -> None:
    found = find(
        index_of(), seen({"container.id": "abcabcabcabcdef", "k8s.pod.name": "<NA>"}, hostname="node-1")
    )
    assert (found.subject.kind, found.subject.name) == ("Container", "abcabcabcabc")
    assert found.caveats[0].startswith("unknown: ")
    assert not found.enrolled


def test_what_happens_on_a_host_is_about_its_node() -> None:
    found = find(index_of(), seen({"container.id": "host"}, hostname="node-1"))
    assert (found.subject.kind, found.subject.name, found.caveats) == ("Node", "node-1", ())
    assert found.where == "node node-1"


def test_a_notice_about_the_sensor_is_about_its_node_whatever_else_it_names() -> None:
    found = find(index_of(manifest()), seen(NAMED, hostname="node-1"), about_node=True)
    assert (found.subject.kind, found.subject.name) == ("Node", "node-1")


def test_an_image_stands_where_there_is_nothing_else() -> None:
    fields: dict[str, Scalar] = {"container.image.repository": "evil", "container.image.tag": "1"}
    assert find(index_of(), seen(fields)).subject.name == "evil:1"
    digest = find(index_of(), seen({**fields, "container.image.digest": "sha256:abc"}))
    assert (digest.subject.kind, digest.subject.name) == ("Image", "sha256:abc")


def test_an_alert_about_nothing_is_said_to_be() -> None:
    found = find(index_of(), seen())
    assert found.subject.name == "unknown"
    assert found.caveats == ("unknown: the alert names no pod, no container and no host",)


def test_a_request_to_the_api_server_is_about_its_pod_or_who_asked() -> None:
    index = index_of(manifest())
    target: dict[str, Scalar] = {
        "ka.target.resource": "pods",
        "ka.target.namespace": "shop",
        "ka.target.name": "web-0",
        "ka.user.name": "eve",
    }
    assert find(index, seen(target, source="k8s_audit", hostname="n")).subject.uid == "u-1"
    unknown = find(index, seen({**target, "ka.target.name": "ghost"}, source="k8s_audit"))
    assert (unknown.subject.name, unknown.subject.uid) == ("ghost", None)
    user = find(index, seen({"ka.user.name": "eve", "ka.target.resource": "secrets"}, source="k8s_audit"))
    assert (user.subject.kind, user.subject.name) == ("User", "eve")
    account = find(index, seen({"ka.user.name": "system:serviceaccount:shop:web"}, source="k8s_audit"))
    assert str(account.subject) == "serviceaccount/shop/web"


def test_an_address_leads_to_the_pod_that_has_it_now() -> None:
    index = index_of(manifest())
    found = index.by_address("10.0.0.7")
    assert found is not None
    assert found.entity.uid == "u-1"
    index.apply(PODS, Change("MODIFIED", manifest(address="10.0.0.8")))
    assert index.by_address("10.0.0.7") is None
    index.apply(PODS, Change("DELETED", manifest()))
    assert index.by_address("10.0.0.8") is None
    index.apply(PODS, Change("ADDED", manifest(uid="u-2", host_network=True)))
    assert index.by_address("10.0.0.7") is None


def test_an_address_that_was_lent_again_leads_to_its_new_pod() -> None:
    index = index_of(manifest())
    index.apply(PODS, Change("ADDED", manifest("web-1", "u-2")))
    index.apply(PODS, Change("DELETED", manifest()))
    found = index.by_address("10.0.0.7")
    assert found is not None
    assert found.entity.uid == "u-2"


def test_a_container_that_was_restarted_is_known_by_both_ids() -> None:
    before = {"terminated": {"containerID": "containerd://bbbbbbbbbbbbbbbb"}}
    status = {"containerID": f"containerd://{CONTAINER}", "lastState": before}
    index = index_of(manifest(containers=[status]))
    assert find(index, seen({"container.id": "bbbbbbbbbbbb"})).subject.uid == "u-1"
    assert find(index, seen({"container.id": CONTAINER[:12]})).subject.uid == "u-1"


def test_only_so_many_deleted_pods_are_remembered() -> None:
    index = PodIndex(CLUSTER, gone_limit=2)
    for number in range(4):
        status = [{"containerID": f"containerd://{number}" + "a" * 20}]
        one = manifest(f"web-{number}", f"u-{number}", containers=status)
        index.apply(PODS, Change("ADDED", one))
        index.apply(PODS, Change("DELETED", one))
    assert [index.by_uid(f"u-{number}") is not None for number in range(4)] == [False, False, True, True]
    assert index.by_name(("shop", "web-0")) is None
    assert index.by_container(short_id("0" + "a" * 20)) is None


async def test_the_index_is_synced_once_all_three_listings_are_over() -> None:
    index = PodIndex(CLUSTER)
    for resource in (PODS, REPLICA_SETS):
        index.apply(resource, Change("SYNCED", {}))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(index.synced(), 0.05)
    index.apply(ENROLMENTS, Change("SYNCED", {}))
    await index.synced()


async def test_an_alert_waits_a_moment_for_a_pod_that_comes() -> None:

    index = PodIndex(CLUSTER)
    waiting = asyncio.create_task(index.settle(("shop", "web-0"), 5))
    await asyncio.sleep(0)
    index.apply(PODS, Change("ADDED", manifest("other", "u-2")))
    await asyncio.sleep(0)
    assert not waiting.done()
    index.apply(PODS, Change("ADDED", manifest()))
    await asyncio.wait_for(waiting, 1)
    await index.settle(("shop", "never"), 0.01)
