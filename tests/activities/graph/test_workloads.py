"""Which pods there are, and on whose behalf."""

from typing import Any

import pytest

from activities.graph.workloads import pods
from signals.errors import BadInput


def workload(kind: str, name: str = "web", owner: str = "", **spec: Any) -> dict[str, Any]:
    references = (
        [{"kind": owner.split("/")[0], "name": owner.split("/")[1], "controller": True}] if owner else []
    )
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 80}]}]},
    }
    body = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    status = spec.pop("status", {})
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": references},
        "spec": {**body, **spec},
        "status": status,
    }


def pod(name: str, owner: str = "", phase: str = "Running", **more: Any) -> dict[str, Any]:
    return {**workload("Pod", name, owner), "spec": more, "status": {"phase": phase}}


def owners(*objects: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((member.name, member.owner) for member in pods(objects))


@pytest.mark.parametrize(
    "kind", ["Deployment", "ReplicaSet", "DaemonSet", "Job", "CronJob", "ReplicationController"]
)
def test_a_workload_stands_for_its_pods(kind: str) -> None:
    (member,) = pods([workload(kind)])
    assert (member.name, member.owner) == ("shop/web", f"shop/web[{kind}]")
    assert member.end.labels["app"] == "web"
    assert member.end.named_ports == {("http", "TCP"): 80}


def test_pods_of_a_stateful_set_tell_themselves_apart() -> None:
    found = pods([workload("StatefulSet", replicas=2, ordinals={"start": 5})])
    assert [member.name for member in found] == ["shop/web-5", "shop/web-6"]
    assert {member.owner for member in found} == {"shop/web[StatefulSet]"}
    assert found[0].end.labels["statefulset.kubernetes.io/pod-name"] == "web-5"
    assert found[1].end.labels["apps.kubernetes.io/pod-index"] == "6"


def test_a_pod_of_a_job_carries_the_jobs_name() -> None:
    (member,) = pods([workload("Job")])
    assert member.end.labels == {
        "app": "web",
        "job-name": "web",
        "batch.kubernetes.io/job-name": "web",
    }


def test_a_workload_that_makes_no_pods_is_no_end() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert not owners(workload("Deployment", replicas=0), workload("Job", status=done))


def test_pods_belong_to_the_topmost_owner_that_is_known() -> None:
    running = pod("web-1-x", "ReplicaSet/web-1")
    assert owners(running) == [("shop/web-1-x", "shop/web-1[ReplicaSet]")]
    replica_set = workload("ReplicaSet", "web-1", "Deployment/web")
    assert owners(running, replica_set) == [("shop/web-1-x", "shop/web[Deployment]")]
    assert owners(running, replica_set, workload("Deployment")) == [("shop/web-1-x", "shop/web[Deployment]")]


def test_a_template_stands_for_an_owner_only_while_none_of_its_pods_are_there() -> None:
    both = workload("ReplicaSet", "web-1", "Deployment/web"), workload("Deployment")
    assert owners(*both) == [("shop/web", "shop/web[Deployment]")]
    ended = pod("web-1-x", "ReplicaSet/web-1", phase="Failed")
    assert owners(*both, ended) == [("shop/web", "shop/web[Deployment]")]


def test_a_workload_of_an_owner_that_is_not_there_stands_for_it() -> None:
    assert owners(workload("ReplicaSet", "web-1", "Rollout/web")) == [("shop/web-1", "shop/web[Rollout]")]


def test_a_pod_that_its_node_runs_is_a_bare_pod() -> None:
    assert owners(pod("etcd-n1", "Node/n1")) == [("shop/etcd-n1", "shop/etcd-n1[Pod]")]


def test_a_pod_that_has_ended_talks_to_nobody() -> None:
    assert owners(
        pod("done", phase="Succeeded"), pod("gone", phase="Failed"), pod("soon", phase="Pending")
    ) == [("shop/soon", "shop/soon[Pod]")]


def test_owners_that_own_each_other_end_nowhere_and_do_not_hang() -> None:
    a, b = workload("ReplicaSet", "a", "ReplicaSet/b"), workload("ReplicaSet", "b", "ReplicaSet/a")
    assert ("shop/x", "shop/a[ReplicaSet]") in owners(pod("x", "ReplicaSet/a"), a, b)


def test_an_object_without_a_namespace_is_in_default() -> None:
    nameless = workload("Deployment")
    del nameless["metadata"]["namespace"]
    assert owners(nameless) == [("default/web", "default/web[Deployment]")]


def test_where_it_runs_and_on_whose_network_is_kept() -> None:
    (member,) = pods([pod("p", hostNetwork=True, nodeName="n1")])
    assert (member.host_network, member.node) == (True, "n1")


@pytest.mark.parametrize(
    "broken",
    [
        {"replicas": "many"},
        {"template": {"metadata": {"labels": {"app": 1}}}},
        {"template": {"spec": {"containers": [{"ports": [{"name": "http"}]}]}}},
        {"template": {"spec": {"containers": [{"ports": [{"name": "http", "containerPort": "x"}]}]}}},
        {"template": "x"},
    ],
)
def test_a_workload_that_cannot_be_understood_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"shop/web\[StatefulSet\] cannot be understood"):
        pods([workload("StatefulSet", **broken)])
