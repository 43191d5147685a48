"""The clusters that contract and law tests run on: a dictionary, the same through its socket, a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from activities.adapters.kubernetes import KubernetesCluster, connect
from activities.adapters.memory import MemoryCluster
from activities.adapters.memory_wire import WireCluster, serve
from activities.ports import NAMESPACES, Cluster
from signals.entities import ClusterRef
from signals.subjects import BREAK_GLASS_GROUP, NAMESPACE
from tests.control_plane import ControlPlane

KINDS = ("memory", "wire", pytest.param("real", marks=pytest.mark.stack))
CERTIFICATE = {"client-certificate": "crt", "client-key": "key"}
REAL = ClusterRef(name="real", uid="real")


def kubeconfig(plane: ControlPlane, folder: Path, agent: str = "") -> Path:
    """Write a kubeconfig for the control plane: an administrator's, or that of one of our agents."""
    plane.person("contract", "system:masters", BREAK_GLASS_GROUP)
    user = {name: str(plane.pki / f"contract.{end}") for name, end in CERTIFICATE.items()}
    if agent:
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{agent}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        user = {"token": plane.admin.call("POST", path, asked).body["status"]["token"]}
    server = {"server": plane.url, "certificate-authority": str(plane.pki / "ca.crt")}
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real", "cluster": server}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "user"}}],
        "current-context": "real",
    }
    path_of = folder / f"{uuid4().hex}.kubeconfig"
    path_of.write_text(yaml.safe_dump(body))
    return path_of


@asynccontextmanager
async def real(
    plane: ControlPlane, folder: Path, agent: str = "", ref: ClusterRef | None = REAL
) -> AsyncIterator[KubernetesCluster]:
    """Connect to the real API server, as an administrator or as one of our agents."""
    cluster = await connect(kubeconfig(plane, folder, agent), None, "real", ref)
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def connected(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Cluster]:
    """Yield one cluster by the name of its kind."""
    if kind == "memory":
        yield MemoryCluster()
    elif kind == "wire":
        async with serve(MemoryCluster(), folder), WireCluster.connect(folder) as wire:
            yield wire
    else:
        async with real(request.getfixturevalue("control_plane"), folder) as cluster:
            yield cluster


async def fresh_namespace(cluster: Cluster) -> str:
    """Create a namespace of one test's own, and return its name."""
    name = f"t-{uuid4().hex[:10]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.create(NAMESPACES.ref(name), manifest)
    return name
