"""One namespace as people make it: pods that run, policies that select them, and what an alert says of a pod."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from activities.ports import NAMESPACES, NETWORK_POLICIES, PODS, SERVICE_ACCOUNTS, Cluster, Manifest
from signals.errors import NotFound
from signals.threats import Peer
from workers.cli.drill import picture
from workers.stack.kubernetes import NODES

REVERSE_SHELL = "Redirect STDOUT/STDIN to Network Connection in Container"
"""Tier 3: isolated."""
EGRESS = "Outbound Connection to C2 Servers"
"""Tier 2: one flow is blocked."""
TERMINAL = "Terminal shell in container"
"""Tier 1: observed."""

ATTACKER = Peer(address="203.0.113.66", port=443)
ELSEWHERE = Peer(address="198.51.100.7", port=443)

WEB_POLICY = {
    "podSelector": {"matchLabels": {"app": "web"}},
    "policyTypes": ["Ingress", "Egress"],
    "ingress": [{"ports": [{"protocol": "TCP", "port": 8080}]}],
    "egress": [
        {
            "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}],
            "ports": [{"protocol": "TCP", "port": 443}],
        }
    ],
}


@dataclass
class Scene:
    """One namespace."""

    cluster: Cluster
    namespace: str
    before: picture.Picture = field(default_factory=dict)

    async def make(self) -> None:
        """Create the namespace, if it is not there; its account is awaited, for pods cannot be made before."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        try:
            await self.cluster.get(NAMESPACES.ref(self.namespace))
        except NotFound:
            await self.cluster.create(NAMESPACES.ref(self.namespace), manifest)
        deadline = time.monotonic() + 15
        while not await self.cluster.list(SERVICE_ACCOUNTS, self.namespace):
            assert time.monotonic() < deadline, "no ServiceAccount was made"
            await asyncio.sleep(0.02)

    async def pod(self, name: str = "web-0", app: str = "web", **metadata: Any) -> Manifest:
        """Create a pod, without waiting for it to run."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": app}, **metadata},
            "spec": {
                "nodeName": NODES[0],
                "containers": [{"name": app, "image": "registry.example/shop/web:1"}],
            },
        }
        return await self.cluster.create(PODS.ref(name, self.namespace), manifest)

    async def policy(self, name: str = "web", spec: Manifest | None = None, **metadata: Any) -> Manifest:
        """Create a policy."""
        manifest = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, **metadata},
            "spec": spec or WEB_POLICY,
        }
        return await self.cluster.create(NETWORK_POLICIES.ref(name, self.namespace), manifest)

    async def fill(self) -> Manifest:
        """Put up a suspect, its sibling and their policy; remember all of it; return the suspect."""
        suspect, _, _ = await asyncio.gather(self.pod("web-0"), self.pod("web-1"), self.policy())
        await self.running()
        self.before = await self.picture()
        return suspect

    async def running(self) -> None:
        """Wait until all pods run."""
        deadline = time.monotonic() + 20
        while True:
            pods = await self.cluster.list(PODS, self.namespace)
            if all(pod["status"].get("phase") == "Running" for pod in pods):
                return
            assert time.monotonic() < deadline, "the pods do not run"
            await asyncio.sleep(0.05)

    async def picture(self) -> picture.Picture:
        """Return everything that a containment could touch, byte for byte."""
        return await picture.take(self.cluster, self.namespace)

    async def changed(self) -> list[str]:
        """Return what is not as it was when the scene was filled."""
        return picture.differences(self.before, await self.picture())

    async def reaches(self, pod: Manifest, peer: Peer) -> bool:
        """Return whether the policies let a pod connect to an address outside."""
        return await picture.reaches(self.cluster, pod, peer)

    def alert(self, rule: str, pod: Manifest | str, **fields: Any) -> dict[str, Any]:
        """Return an alert of now about a pod, as Falco writes it; a name alone if the pod is only a name."""
        now = datetime.now(UTC)
        nanos = int(now.timestamp()) * 10**9 + now.microsecond * 1000
        name = pod if isinstance(pod, str) else pod["metadata"]["name"]
        known = {} if isinstance(pod, str) else {"k8s.pod.uid": pod["metadata"]["uid"]}
        peer = (
            {} if rule == TERMINAL else {"fd.name": f"10.20.0.14:41822->{ATTACKER.address}:{ATTACKER.port}"}
        )
        told = {
            "evt.time": nanos,
            "evt.type": "connect",
            "k8s.ns.name": self.namespace,
            "k8s.pod.name": name,
            **known,
            **peer,
            "fd.l4proto": "tcp",
            "proc.name": "sh",
            "proc.cmdline": "sh -i",
            **fields,
        }
        return {
            "rule": rule,
            "priority": "Notice",
            "source": "syscall",
            "hostname": NODES[0],
            "output": f"a thing happened (command={told['proc.cmdline']})",
            "time": f"{now:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z",
            "tags": ["container"],
            "output_fields": told,
        }
