"""The sample application: put up, renewed between drills, and its pods found."""

import asyncio
import secrets
from collections.abc import Collection, Iterator
from importlib.resources import files

import yaml

from activities.ports import (
    DEPLOYMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Cluster,
    Manifest,
)
from signals.errors import Conflict, NotFound, StackError
from workers.cli.patience import patiently

NAMESPACE = "shop"
KINDS = {
    "Namespace": NAMESPACES,
    "ServiceAccount": SERVICE_ACCOUNTS,
    "Deployment": DEPLOYMENTS,
    "Service": SERVICES,
    "NetworkPolicy": NETWORK_POLICIES,
    "PodDisruptionBudget": POD_DISRUPTION_BUDGETS,
}
RUNNING_SECONDS = 60.0
"""How long the pods may take to run."""


def manifests() -> list[Manifest]:
    """Return the objects of the application, in the order in which they are created."""
    text = files("deploy").joinpath("drill", "app.yaml").read_text("utf-8")
    return list(yaml.safe_load_all(text))


async def put_up(cluster: Cluster, *, memory: bool) -> None:
    """Create what is missing, and give every pod a successor: a drill meets pods that no incident knows.

    Raises:
        StackError: the pods do not run in time.
    """
    nodes = {node["metadata"]["name"] for node in await patiently(lambda: cluster.list(NODES))}
    for manifest in manifests():
        await created(cluster, _placed(manifest, nodes))
    old = await patiently(lambda: cluster.list(PODS, NAMESPACE))
    for pod in old:
        await _delete(cluster, pod)
    if memory:
        for deployment in await cluster.list(DEPLOYMENTS, NAMESPACE):
            await controlled(cluster, deployment)
    await _running(cluster, gone={pod["metadata"]["uid"] for pod in old})


def _placed(manifest: Manifest, nodes: Collection[str]) -> Manifest:
    """Leave it to a scheduler where pods go whose node is not there; where kwok plays the nodes, there is none."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    if nodes and pod.get("nodeName") not in nodes:
        pod.pop("nodeName", None)
    return manifest


async def victims(
    cluster: Cluster, app: str, count: int = 1, known: Collection[str] = (), namespace: str = NAMESPACE
) -> list[Manifest]:
    """Return running pods of a part of the application, those first whose UID is not `known`.

    Raises:
        StackError: so many do not run.
    """
    running = await part(cluster, app, namespace)
    if len(running) < count:
        raise StackError(f"{len(running)} of {count} pods of {app} run in namespace {namespace}")
    return sorted(running, key=lambda pod: pod["metadata"]["uid"] in known)[:count]


async def others(cluster: Cluster, app: str, pods: list[Manifest], namespace: str) -> list[Manifest]:
    """Return the other running pods of a part of the application."""
    names = {pod["metadata"]["name"] for pod in pods}
    return [other for other in await part(cluster, app, namespace) if other["metadata"]["name"] not in names]


async def part(cluster: Cluster, app: str, namespace: str = NAMESPACE) -> list[Manifest]:
    """Return the running pods of a part of the application, by name."""
    pods = await patiently(lambda: cluster.list(PODS, namespace, labels=f"app={app}"))
    return sorted(filter(_runs, pods), key=lambda pod: str(pod["metadata"]["name"]))


async def created(cluster: Cluster, manifest: Manifest) -> None:
    """Create an object of the application; it may be there."""
    metadata = manifest["metadata"]
    ref = KINDS[manifest["kind"]].ref(metadata["name"], metadata.get("namespace"))
    try:
        await patiently(lambda: cluster.create(ref, manifest))
    except Conflict:
        return


async def _delete(cluster: Cluster, pod: Manifest) -> None:
    metadata = pod["metadata"]
    try:
        await patiently(lambda: cluster.delete(PODS.ref(metadata["name"], NAMESPACE, metadata["uid"])))
    except (NotFound, Conflict):
        return


async def _running(cluster: Cluster, gone: set[str]) -> None:
    wanted = sum(manifest["spec"]["replicas"] for manifest in manifests() if manifest["kind"] == "Deployment")
    deadline = asyncio.get_running_loop().time() + RUNNING_SECONDS
    while True:
        pods = await patiently(lambda: cluster.list(PODS, NAMESPACE))
        if sum(_runs(pod) for pod in pods) == len(pods) == wanted and not gone & _uids(pods):
            return
        if asyncio.get_running_loop().time() > deadline:
            phases = ", ".join(f"{pod['metadata']['name']} {_phase(pod)}" for pod in pods) or "none exists"
            raise StackError(f"the pods of the sample application do not run: {phases}")
        await asyncio.sleep(0.1)


def _uids(pods: list[Manifest]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def _phase(pod: Manifest) -> str:
    return str(pod.get("status", {}).get("phase", "unknown"))


def _runs(pod: Manifest) -> bool:
    return _phase(pod) == "Running" and "deletionTimestamp" not in pod["metadata"]


async def controlled(cluster: Cluster, deployment: Manifest) -> None:
    """Do the controllers' work on a cluster that has none: a ReplicaSet and its pods."""
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    template = deployment["spec"]["template"]
    replica_set: Manifest = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-6d4c9f7b58",
            "namespace": namespace,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [_owner("apps/v1", "Deployment", deployment)],
        },
        "spec": {key: deployment["spec"][key] for key in ("replicas", "selector", "template")},
    }
    await _adopted(cluster, replica_set)
    owner = await cluster.get(REPLICA_SETS.ref(replica_set["metadata"]["name"], namespace))
    for pod in _pods(owner):
        await cluster.create(PODS.ref(pod["metadata"]["name"], namespace), pod)


async def _adopted(cluster: Cluster, replica_set: Manifest) -> None:
    metadata = replica_set["metadata"]
    try:
        await cluster.create(REPLICA_SETS.ref(metadata["name"], metadata["namespace"]), replica_set)
    except Conflict:
        return


def _pods(replica_set: Manifest) -> Iterator[Manifest]:
    template = replica_set["spec"]["template"]
    for number in range(replica_set["spec"]["replicas"]):
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{replica_set['metadata']['name']}-{secrets.token_hex(3)[:5]}",
                "namespace": replica_set["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [_owner("apps/v1", "ReplicaSet", replica_set)],
            },
            "spec": {"serviceAccountName": "default", **template["spec"]},
            "status": {"phase": "Running", "podIP": f"10.20.0.{10 + number}"},
        }


def _owner(version: str, kind: str, owner: Manifest) -> Manifest:
    metadata = owner["metadata"]
    return {
        "apiVersion": version,
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
