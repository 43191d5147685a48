"""What a cluster is given before agents can work: our objects, our nodes where kwok plays them, and tokens."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import deploy
from signals.errors import NotFound, Unavailable
from signals.subjects import NAMESPACE
from workers.stack.api import MERGE, Api
from workers.stack.kubeconfig import by_token, cluster_of
from workers.stack.kubernetes import NODES
from workers.stack.layout import Layout

TOKEN_SECONDS = 365 * 24 * 3600
"""Asked for; a cluster may grant less."""
SYSTEM_TRIES, SYSTEM_PAUSE = 50, 0.1


async def install(api: Api) -> None:
    """Apply everything that `deploy` ships, over what an older version left.

    Raises:
        FirebreakError: the API server refuses or does not answer.
    """
    for manifest in deploy.manifests():
        await api.apply(manifest)


async def add_nodes(api: Api) -> None:
    """Make the nodes on which kwok plays pods.

    The API server taints a new node as not ready, and no controller here would ever take that away again.
    """
    await asyncio.gather(*(_add_node(api, name) for name in NODES))


async def _add_node(api: Api, name: str) -> None:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
    }
    await api.apply(node)
    await api.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}, content_type=MERGE)


async def cluster_uid(api: Api) -> str:
    """Return which cluster it is: the UID of kube-system, which the API server itself makes after its start.

    Raises:
        FirebreakError: the API server refuses or does not answer.
    """
    for _ in range(SYSTEM_TRIES):
        with suppress(NotFound):
            uid: str = (await api.request("GET", "/api/v1/namespaces/kube-system"))["metadata"]["uid"]
            return uid
        await asyncio.sleep(SYSTEM_PAUSE)
    raise Unavailable("the API server has not made the namespace kube-system")


async def agent_kubeconfigs(api: Api, layout: Layout, agents: Iterable[str]) -> datetime:
    """Write each agent a kubeconfig with a token of its own ServiceAccount; return when the first one ends.

    Raises:
        FirebreakError: the API server refuses or does not answer.
    """
    cluster = cluster_of(layout.kubeconfig("admin"))
    ends = await asyncio.gather(*(_agent_kubeconfig(api, layout, cluster, agent) for agent in agents))
    return min(ends, default=datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS))


async def _agent_kubeconfig(api: Api, layout: Layout, cluster: dict[str, Any], agent: str) -> datetime:
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{agent}/token"
    granted = (await api.request("POST", path, request))["status"]
    by_token(layout.kubeconfig(agent), cluster=cluster, token=granted["token"])
    return datetime.fromisoformat(granted["expirationTimestamp"])
