"""One state of a cluster, compiled to be asked what somebody could reach: rights, hosts and network together."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from activities.graph.census import Census
from activities.graph.combined import Combined
from activities.graph.escalation import EVERYTHING
from activities.graph.exposure import exposed
from activities.graph.manifests import Located, Snapshot
from activities.graph.network import Network
from activities.graph.network_policy import Object
from activities.graph.policy_kinds import KINDS as POLICIES
from activities.graph.rbac import Rbac
from activities.graph.rights import CONTROLLERS, Rights, Version
from activities.graph.steps import Granted
from activities.graph.universe import HostNetwork
from activities.graph.ways import Ways, servers
from activities.graph.workloads import Member, naming, pods

_DEFAULT = Located(
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin"},
        **EVERYTHING,
    },
    "the API server's defaults",
    0,
)
_LOOKED_FOR = MappingProxyType(
    {
        "Node": "which nodes hold the control plane is not known",
        "Secret": "only secrets that something refers to are known, and no tokens in them",
        "ServiceAccount": "accounts are known from what mentions them, and whether they automount is not",
        "Namespace": "Pod Security levels and labels of namespaces are not known",
    }
)
"""Kinds without which an answer is weaker, and what is then not known."""


class World:
    """Everything that can be reached in one state of a cluster, and all that leads there."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        extra: Iterable[str] = (),
        version: Version = None,
        host_network: HostNetwork = HostNetwork.NODE,
        missing: Iterable[str] = (),
    ) -> None:
        """Compile a snapshot; the network is compiled when it is first asked for.

        `extra` are users and groups that nothing mentions, `missing` says what could not be collected.

        Raises:
            BadInput: an object cannot be understood; it is named.
        """
        self.snapshot = snapshot
        self._host_network = host_network
        objects = snapshot.objects
        assumed = Rbac(objects)
        self.rbac = assumed
        self.missing = [*missing, *self._not_there(objects)]
        if not assumed.bootstrapped and "ClusterRole/cluster-admin" not in assumed.roles:
            self.rbac = Rbac([*objects, _DEFAULT])
            self.missing.append(
                "the API server's default roles are not in the data: cluster-admin counts as everything, and no"
                " other one counts"
            )
        self.plain = [one.object for one in objects]
        self.members: list[Member] = pods(self.plain)
        self.namespaces = snapshot.namespaces()
        self.census = Census(objects, self.members, self.namespaces, self.rbac, extra)
        self.version = version or _version(self.census.objects["Node"].values())
        self.rights = Rights(self.census, _controllers(objects), self.version)
        self.combined = Combined(self.census, self.rbac, self.rights)

    def _not_there(self, objects: Sequence[Located]) -> list[str]:
        kinds = {one.object["kind"] for one in objects}
        found = [
            f"no {kind} is in the data: {what}" for kind, what in _LOOKED_FOR.items() if kind not in kinds
        ]
        roles = {
            binding.ref
            for key in self.rbac.subjects()
            for binding in self.rbac.named(key)
            if binding.role is None
        } - {"ClusterRole/cluster-admin"}
        return [*found, *(f"{role} is bound, and not in the data" for role in sorted(roles))]

    @cached_property
    def ways(self) -> Ways:
        """The network, compiled when it is first asked for.

        Raises:
            BadInput: a policy cannot be understood; it is named.
        """
        network = Network(self.plain, self.namespaces, self._host_network, self.members)
        return Ways(network, servers(self.snapshot.objects))

    def doubts(self) -> list[str]:
        """Return what makes answers about the network unknown, where it was asked."""
        return [*self.ways.doubts()] if "ways" in vars(self) else []

    @cached_property
    def exposed(self) -> Mapping[int, Granted]:
        """The pods that can be connected to from outside, and by which object."""
        return exposed(self.snapshot.objects, self.members)

    @cached_property
    def policies(self) -> Mapping[str, Object]:
        """All network policies, by kind and name."""
        found = {}
        for one in self.plain:
            if (str(one.get("apiVersion", "")).rpartition("/")[0], one["kind"]) in POLICIES:
                metadata = one["metadata"]
                name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
                found[f"{one['kind']} {name}"] = one
        return found


def _controllers(objects: Iterable[Located]) -> list[tuple[str, str, str]]:
    kinds = {*CONTROLLERS.values()}
    return [
        (one.object["kind"], one.object["metadata"]["namespace"], one.object["metadata"]["name"])
        for one in objects
        if one.object["kind"] in kinds
    ]


def _version(nodes: Iterable[Object]) -> Version:
    """Return the version of the newest kubelet: the API server is never older."""
    found = []
    for node in nodes:
        with naming(f"Node {node['metadata']['name']}"):
            text = str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "")
        found += [version] if (version := parsed_version(text)) else []
    return max(found, default=None)


def parsed_version(text: str) -> Version:
    """Return `v1.35.2+k3s1` as (1, 35); None where it is no version."""
    major, _, rest = text.removeprefix("v").partition(".")
    minor = rest.partition(".")[0].rstrip("+")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
