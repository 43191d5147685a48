"""Reads all of the cluster that decides what could be reached, as the investigator may.

It reads no Secret: that there is one is known from what refers to it. What cannot be read is said.
"""

import asyncio

from activities.graph.documents import Document
from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    FREEZES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Resource,
)
from activities.probe import Reads
from signals.errors import FirebreakError, NotFound

_RBAC, _POLICY = "rbac.authorization.k8s.io", "policy.networking.k8s.io"
READ: tuple[tuple[str, Resource], ...] = (
    ("Namespace", NAMESPACES),
    ("Node", NODES),
    ("Pod", PODS),
    ("ServiceAccount", SERVICE_ACCOUNTS),
    ("Role", Resource(_RBAC, "v1", "roles")),
    ("ClusterRole", Resource(_RBAC, "v1", "clusterroles")),
    ("RoleBinding", ROLE_BINDINGS),
    ("ClusterRoleBinding", CLUSTER_ROLE_BINDINGS),
    ("NetworkPolicy", NETWORK_POLICIES),
    ("AdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "adminnetworkpolicies")),
    ("BaselineAdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "baselineadminnetworkpolicies")),
    ("ClusterNetworkPolicy", Resource(_POLICY, "v1alpha2", "clusternetworkpolicies")),
    ("CiliumNetworkPolicy", Resource("cilium.io", "v2", "ciliumnetworkpolicies")),
    ("CiliumClusterwideNetworkPolicy", Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies")),
    ("EndpointSlice", ENDPOINT_SLICES),
    ("Deployment", DEPLOYMENTS),
    ("DaemonSet", DAEMON_SETS),
    ("StatefulSet", STATEFUL_SETS),
    ("ReplicaSet", REPLICA_SETS),
    ("CronJob", CRON_JOBS),
    ("Freeze", FREEZES),
)
"""Kinds by name, and how URLs name them."""
PERMISSIONS = tuple(
    f"{resource.group}/{resource.plural}: list" if resource.group else f"{resource.plural}: list"
    for _, resource in READ
)
"""The rights that this takes."""


async def survey(cluster: Reads) -> tuple[list[Document], list[str]]:
    """Return all that may be read, and what may not, in words."""
    found: list[Document] = []
    missing: list[str] = []
    answers = await asyncio.gather(*(cluster.list(resource) for _, resource in READ), return_exceptions=True)
    for (kind, resource), answer in zip(READ, answers, strict=True):
        match answer:
            case NotFound():
                continue  # a kind that this cluster does not have
            case FirebreakError():
                missing.append(f"{resource.plural} could not be read: {answer}")
            case BaseException():
                raise answer
            case _:
                version = f"{resource.group}/{resource.version}" if resource.group else resource.version
                found += [
                    Document({**one, "apiVersion": version, "kind": kind}, "the cluster", 0) for one in answer
                ]
    return found, missing
