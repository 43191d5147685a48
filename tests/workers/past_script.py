"""A scripted, seeded log of changes to a real API server: every kind that needs no controller to be as it is."""

import random
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from activities.graph.collected import BUILT_IN, Kind
from activities.graph.projection import project
from activities.ports import NAMESPACES, Cluster, Manifest
from signals.errors import Conflict

_RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
_CONTAINERS = [{"name": "c", "image": "i"}]
_LOOK = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": _CONTAINERS}}
_OF_SETS = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": _LOOK}
_JOB = {"template": {"spec": {"containers": _CONTAINERS, "restartPolicy": "Never"}}}
_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
_WHO = [{"kind": "ServiceAccount", "name": "a", "namespace": "default"}]
BODIES: dict[str, dict[str, Any]] = {
    "Namespace": {},
    "ServiceAccount": {},
    "ClusterRole": {"rules": _RULES},
    "Role": {"rules": _RULES},
    "ClusterRoleBinding": {"roleRef": _REF, "subjects": _WHO},
    "RoleBinding": {"roleRef": _REF, "subjects": _WHO},
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Ingress"]}},
    "Pod": {"spec": {"containers": _CONTAINERS}},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}]},
    "ReplicaSet": {"spec": _OF_SETS},
    "StatefulSet": {"spec": {**_OF_SETS, "serviceName": "x"}},
    "CronJob": {"spec": {"schedule": "@yearly", "suspend": True, "jobTemplate": {"spec": _JOB}}},
}
"""What is created of each kind."""
CLUSTER_SCOPED = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding"})
KINDS: tuple[Kind, ...] = tuple(kind for kind in BUILT_IN if kind[0] in BODIES)
MOST = 5
"""Names per kind: they are used again and again."""


@dataclass
class Script:
    """Who changes the cluster, and how it was after each change."""

    cluster: Cluster
    namespace: str
    chance: random.Random
    mark: str = field(default_factory=lambda: f"p{uuid4().hex[:8]}")
    live: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    async def change(self) -> None:
        """Create, relabel, rewrite or delete one object."""
        kind = self.chance.choice(KINDS)
        name = f"{self.mark}-{self.chance.randrange(MOST)}"
        namespace = None if kind[0] in CLUSTER_SCOPED else self.namespace
        ref = kind[1].ref(name, namespace)
        there = self.live.get((kind[0], name))
        if there is None:
            labels = {"past": self.mark, "n": str(self.chance.randrange(3))}
            manifest = {
                "apiVersion": f"{kind[1].group}/{kind[1].version}".lstrip("/"),
                "kind": kind[0],
                "metadata": {"labels": labels},
                **BODIES[kind[0]],
            }
            self.live[kind[0], name] = await self.cluster.create(ref, manifest)
            self._did("create")
        elif kind[0] != "Namespace" and self.chance.random() < 0.35:
            await self.cluster.delete(ref)
            del self.live[kind[0], name]
            self._did("delete")
        else:
            value = str(self.chance.randrange(1000))
            change = {"op": "add", "path": "/metadata/labels/n", "value": value}
            try:
                self.live[kind[0], name] = await self.cluster.patch(ref, [change])
            except Conflict:
                return
            self._did("relabel")

    def _did(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    async def read(self) -> dict[str, tuple[str, bytes]]:
        """Return what the API server shows now: UID → (kind, what is remembered of it)."""
        found: dict[str, tuple[str, bytes]] = {}
        for kind, resource in KINDS:
            for manifest in await self.cluster.list(resource, None, f"past={self.mark}"):
                found[manifest["metadata"]["uid"]] = kind, project(kind, manifest).body
        return found

    async def clean(self) -> None:
        """Delete everything again."""
        for kind, name in self.live:
            resource = next(one for found, one in KINDS if found == kind)
            await self.cluster.delete(resource.ref(name, None if kind in CLUSTER_SCOPED else self.namespace))
        await self.cluster.delete(NAMESPACES.ref(self.namespace))
