"""A small namespace as an attacker would find it, in a memory cluster."""

from typing import Any

from activities.adapters.memory import MemoryCluster
from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    INGRESSES,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Manifest,
    Resource,
)
from signals.entities import ClusterRef, Entity

SHOP = "shop"
SECRET = "hunter2-do-not-tell"
DIGEST = "sha256:" + "ab" * 32
CLUSTER = ClusterRef(name="test", uid="5e1f")

KINDS: dict[Resource, str] = {
    PODS: "Pod", NODES: "Node", SERVICES: "Service", EVENTS: "Event", SERVICE_ACCOUNTS: "ServiceAccount",
    REPLICA_SETS: "ReplicaSet", DEPLOYMENTS: "Deployment", STATEFUL_SETS: "StatefulSet",
    DAEMON_SETS: "DaemonSet", JOBS: "Job", CRON_JOBS: "CronJob", NETWORK_POLICIES: "NetworkPolicy",
    ROLE_BINDINGS: "RoleBinding", CLUSTER_ROLE_BINDINGS: "ClusterRoleBinding", NAMESPACES: "Namespace",
    INGRESSES: "Ingress",
}  # fmt: skip


async def put(cluster: MemoryCluster, resource: Resource, name: str, **fields: Any) -> Manifest:
    """Create one object; `namespace` is the sample's unless given, None for what has none."""
    namespace = fields.pop("namespace", None if resource in (NODES, CLUSTER_ROLE_BINDINGS) else SHOP)
    metadata = {"name": name, **fields.pop("metadata", {})}
    manifest = {"kind": KINDS[resource], "apiVersion": "v1", "metadata": metadata, **fields}
    return await cluster.create(resource.ref(name, namespace), manifest)


def owned(by: Manifest) -> Manifest:
    """Return the metadata of something that `by` controls."""
    reference = {"kind": by["kind"], "name": by["metadata"]["name"], "uid": by["metadata"]["uid"]}
    return {"ownerReferences": [{"apiVersion": "v1", "controller": True, **reference}]}


def entity(manifest: Manifest) -> Entity:
    """Return the entity of an object."""
    metadata = manifest["metadata"]
    return Entity(
        cluster=CLUSTER,
        kind=manifest["kind"],
        name=metadata["name"],
        namespace=metadata.get("namespace"),
        uid=metadata["uid"],
    )


async def pod(cluster: MemoryCluster, name: str, metadata: Manifest | None = None, **spec: Any) -> Manifest:
    """Create a running pod on node-1."""
    container = {
        "name": "web",
        "image": "shop/web:1",
        "args": ["--password", SECRET],
        "env": [
            {"name": "PASSWORD", "value": SECRET},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "db-token", "key": "token"}}},
        ],
    }
    return await put(
        cluster,
        PODS,
        name,
        metadata={"labels": {"app": "web"}, "annotations": {"note": SECRET}, **(metadata or {})},
        spec={"nodeName": "node-1", "serviceAccountName": "web", "containers": [container], **spec},
        status={
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.7"}],
            "containerStatuses": [{"name": "web", "imageID": f"docker.io/shop/web@{DIGEST}"}],
        },
    )


async def shop() -> tuple[MemoryCluster, Manifest]:
    """Return a cluster with a web pod of a Deployment, all that hangs together with it, and that pod."""
    cluster = MemoryCluster(CLUSTER)
    await cluster.create(NAMESPACES.ref(SHOP), {"kind": "Namespace", "metadata": {"name": SHOP}})
    await put(cluster, NODES, "node-1", spec={}, status={"conditions": [{"type": "Ready", "status": "True"}]})
    await put(cluster, SERVICE_ACCOUNTS, "web")
    deployment = await put(cluster, DEPLOYMENTS, "web", spec={"replicas": 2})
    replicas = await put(cluster, REPLICA_SETS, "web-5d", metadata=owned(deployment), spec={"replicas": 2})
    first = await pod(cluster, "web-0", owned(replicas))
    await pod(cluster, "web-1", owned(replicas))
    ports = [{"port": 80, "protocol": "TCP"}]
    await put(
        cluster, SERVICES, "web", spec={"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports}
    )
    await put(cluster, SERVICES, "other", spec={"type": "ClusterIP", "selector": {"app": "db"}})
    await put(
        cluster,
        NETWORK_POLICIES,
        "web",
        spec={"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]},
    )
    await put(cluster, NETWORK_POLICIES, "db", spec={"podSelector": {"matchLabels": {"app": "db"}}})
    account = {"kind": "ServiceAccount", "name": "web", "namespace": SHOP}
    await put(
        cluster,
        ROLE_BINDINGS,
        "web-edits",
        subjects=[account],
        roleRef={"kind": "ClusterRole", "name": "edit"},
    )
    everyone = {"kind": "Group", "name": "system:serviceaccounts"}
    await put(
        cluster,
        CLUSTER_ROLE_BINDINGS,
        "everyone-reads",
        subjects=[everyone],
        roleRef={"kind": "ClusterRole", "name": "reader"},
    )
    await put(
        cluster,
        EVENTS,
        "web-0.1",
        involvedObject={"uid": first["metadata"]["uid"]},
        reason="Unhealthy",
        type="Warning",
        message=f"probe said {SECRET}",
        lastTimestamp="2026-01-01T00:00:00Z",
        count=3,
    )
    return cluster, first
