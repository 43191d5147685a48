"""What of the cluster itself an action would touch, which no manifest of the target tells.

A peer may be the API server, the cluster's DNS or a node; a pod may answer the API server's webhooks. Where
the API server does not let us know, we say so, and a person decides.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.graph.network_policy import matches
from activities.phases import every
from activities.ports import ENDPOINT_SLICES, NODES, SERVICES, Cluster, Manifest, Resource
from signals.errors import Refused

PEER_PERMISSIONS = ("nodes: list", "services: list", "discovery.k8s.io/endpointslices: list")
API_PERMISSIONS = (
    "services: list",
    "admissionregistration.k8s.io/validatingwebhookconfigurations: list",
    "admissionregistration.k8s.io/mutatingwebhookconfigurations: list",
    "apiregistration.k8s.io/apiservices: list",
)
"""Cluster-wide, read only."""

WEBHOOKS = (
    Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"),
)
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices")
_SERVICE_NAME = "kubernetes.io/service-name"
_CRITICAL = (
    ("default", "kubernetes", "the API server"),
    ("kube-system", "kube-dns", "the cluster's DNS"),
    ("kube-system", "node-local-dns", "the node's DNS"),
)
"""Namespace and name of Services that no pod does without."""
_NODE_LOCAL_DNS = ipaddress.ip_network("169.254.20.0/24")


async def peer_concerns(cluster: Cluster, address: str) -> tuple[str, ...]:
    """Return why blocking an address would touch the cluster itself.

    Raises:
        Unavailable: the API server did not say.
    """
    spaces = sorted({namespace for namespace, _, _ in _CRITICAL})
    try:
        nodes, *listed = await every(
            [
                cluster.list(NODES),
                *(cluster.list(SERVICES, namespace) for namespace in spaces),
                *(cluster.list(ENDPOINT_SLICES, namespace) for namespace in spaces),
            ]
        )
    except Refused as error:
        return (f"whether {address} is a node or the API server cannot be seen: {error}",)
    whose = dict(_node_addresses(nodes))
    for item in (item for items in listed for item in items):
        whose |= dict(_service_addresses(item))
    if ipaddress.ip_address(address) in _NODE_LOCAL_DNS:
        whose[address] = "the node's DNS"
    return (f"{address} is {whose[address]}",) if address in whose else ()


def _node_addresses(nodes: list[Manifest]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        for entry in (node.get("status") or {}).get("addresses") or []:
            if entry["type"] in ("InternalIP", "ExternalIP"):
                yield entry["address"], f"node {node['metadata']['name']}"


def _service_addresses(item: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the addresses of one Service or EndpointSlice, if it is a critical one's."""
    metadata = item["metadata"]
    service = (metadata.get("labels") or {}).get(_SERVICE_NAME, metadata["name"])
    for namespace, name, what in _CRITICAL:
        if (metadata["namespace"], service) == (namespace, name):
            for address in (item.get("spec") or {}).get("clusterIPs") or []:
                yield address, what
            for endpoint in item.get("endpoints") or []:
                yield from ((address, what) for address in endpoint.get("addresses") or [])


@dataclass(frozen=True)
class Dependency:
    """A Service that the API server calls, by the pods that it selects; or that it cannot be seen which."""

    why: str
    namespace: str = ""
    selector: Mapping[str, str] | None = None

    def concerns(self, pod: Mapping[str, Any]) -> bool:
        """Return whether this pod may be the one that answers."""
        metadata = pod["metadata"]
        if self.selector is None:
            return True
        here = metadata["namespace"] == self.namespace
        return here and matches({"matchLabels": self.selector}, metadata.get("labels") or {})


async def api_dependencies(cluster: Cluster, namespaces: Sequence[str]) -> tuple[Dependency, ...]:
    """Return what in these namespaces the API server depends on: its webhooks, and APIs served by pods.

    Raises:
        Unavailable: the API server did not say.
    """
    try:
        apis, validating, mutating, *services = await every(
            [
                cluster.list(API_SERVICES),
                *(cluster.list(resource) for resource in WEBHOOKS),
                *(cluster.list(SERVICES, namespace) for namespace in namespaces),
            ]
        )
    except Refused as error:
        return (Dependency(f"whether the API server depends on the pod cannot be seen: {error}"),)
    needed = dict(_needed([*validating, *mutating], apis))
    found: list[Dependency] = []
    for service in (item for items in services for item in items):
        metadata, selector = service["metadata"], (service.get("spec") or {}).get("selector")
        why = needed.get((metadata["namespace"], metadata["name"]))
        if why and selector:
            text = f"the API server depends on service {metadata['name']}: {why}"
            found.append(Dependency(text, metadata["namespace"], selector))
    return tuple(found)


def _needed(webhooks: list[Manifest], apis: list[Manifest]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the Services that the API server calls, and why it cannot do without."""
    for configuration in webhooks:
        for webhook in configuration.get("webhooks") or []:
            service = (webhook.get("clientConfig") or {}).get("service")
            if service and webhook.get("failurePolicy", "Fail") == "Fail":
                yield (service["namespace"], service["name"]), f"webhook {webhook['name']} fails closed"
    for api in apis:
        service = (api.get("spec") or {}).get("service")
        if service:
            yield (service["namespace"], service["name"]), f"it serves {api['metadata']['name']}"
