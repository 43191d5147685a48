"""Which kinds the context store remembers: all that decides what somebody can reach, and nothing that is secret."""

from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
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
    Resource,
)

_RBAC = "rbac.authorization.k8s.io"
_POLICY = "policy.networking.k8s.io"
_CALICO = "crd.projectcalico.org"
_ANTREA = "crd.antrea.io"

Kind = tuple[str, Resource]
"""Its name in manifests, and how URLs name it."""

BUILT_IN: tuple[Kind, ...] = (
    ("Namespace", NAMESPACES),
    ("Node", NODES),
    ("ServiceAccount", SERVICE_ACCOUNTS),
    ("ClusterRole", Resource(_RBAC, "v1", "clusterroles")),
    ("Role", Resource(_RBAC, "v1", "roles")),
    ("ClusterRoleBinding", CLUSTER_ROLE_BINDINGS),
    ("RoleBinding", ROLE_BINDINGS),
    ("NetworkPolicy", NETWORK_POLICIES),
    ("Pod", PODS),
    ("Service", SERVICES),
    ("EndpointSlice", ENDPOINT_SLICES),
    ("ReplicaSet", REPLICA_SETS),
    ("Deployment", DEPLOYMENTS),
    ("StatefulSet", STATEFUL_SETS),
    ("DaemonSet", DAEMON_SETS),
    ("Job", JOBS),
    ("CronJob", CRON_JOBS),
    ("ReplicationController", Resource("", "v1", "replicationcontrollers")),
)
"""What every cluster has."""

OPTIONAL: tuple[Kind, ...] = (
    ("AdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "adminnetworkpolicies")),
    ("BaselineAdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "baselineadminnetworkpolicies")),
    ("ClusterNetworkPolicy", Resource(_POLICY, "v1alpha2", "clusternetworkpolicies")),
    ("CiliumNetworkPolicy", Resource("cilium.io", "v2", "ciliumnetworkpolicies")),
    ("CiliumClusterwideNetworkPolicy", Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies")),
    ("NetworkPolicy", Resource(_CALICO, "v1", "networkpolicies")),
    ("GlobalNetworkPolicy", Resource(_CALICO, "v1", "globalnetworkpolicies")),
    ("NetworkPolicy", Resource(_ANTREA, "v1beta1", "networkpolicies")),
    ("ClusterNetworkPolicy", Resource(_ANTREA, "v1beta1", "clusternetworkpolicies")),
)
"""Network policies of those clusters that have them."""

COLLECTED = (*BUILT_IN, *OPTIONAL)

METADATA_ONLY: tuple[Kind, ...] = (
    ("Secret", Resource("", "v1", "secrets")),
    ("ConfigMap", Resource("", "v1", "configmaps")),
)
"""Kinds of which only metadata is kept, and only where somebody asks for it: a right to list is a right to read."""


def api_version(resource: Resource) -> str:
    """Return the apiVersion of a kind's manifests."""
    return f"{resource.group}/{resource.version}" if resource.group else resource.version


def permissions() -> list[str]:
    """Return the RBAC rights that following all of it takes."""
    return [f"{resource.group}/{resource.plural}: list, watch".lstrip("/") for _, resource in COLLECTED]
