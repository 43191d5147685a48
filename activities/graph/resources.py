"""The resources that every Kubernetes has: which API group each is in, and which live in no namespace.

For people who leave the group out, as kubectl lets them. What it does not know is taken as it is written.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

_NAMESPACED = {
    "": "bindings configmaps endpoints events limitranges persistentvolumeclaims pods podtemplates"
    " replicationcontrollers resourcequotas secrets serviceaccounts services",
    "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
    "authorization.k8s.io": "localsubjectaccessreviews",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "coordination.k8s.io": "leases",
    "discovery.k8s.io": "endpointslices",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "rolebindings roles",
    "storage.k8s.io": "csistoragecapacities",
}
_CLUSTER_SCOPED = {
    "": "componentstatuses namespaces nodes persistentvolumes users groups",
    "admissionregistration.k8s.io": "mutatingwebhookconfigurations validatingadmissionpolicies"
    " validatingadmissionpolicybindings validatingwebhookconfigurations",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices",
    "authentication.k8s.io": "selfsubjectreviews tokenreviews",
    "authorization.k8s.io": "selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews",
    "certificates.k8s.io": "certificatesigningrequests signers",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "networking.k8s.io": "ingressclasses ipaddresses servicecidrs",
    "node.k8s.io": "runtimeclasses",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments",
}


def _placed(table: Mapping[str, str]) -> dict[str, str]:
    return {resource: group for group, resources in table.items() for resource in resources.split()}


GROUPS: Mapping[str, str] = MappingProxyType(_placed(_NAMESPACED) | _placed(_CLUSTER_SCOPED))
"""Plural name → API group, of each built-in resource."""
CLUSTER_SCOPED = frozenset((group, resource) for resource, group in _placed(_CLUSTER_SCOPED).items())
"""(API group, plural name) of the built-in resources that live in no namespace."""


def similar(resource: str) -> str | None:
    """Return the built-in resource that somebody may have meant by a name that is none."""
    close = get_close_matches(resource.lower(), GROUPS, n=1, cutoff=0.75)
    return f"{resource}s" if f"{resource}s" in GROUPS else close[0] if close else None
