"""The programs of a node as servers, in the order in which they start."""

import asyncio
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import aiohttp

from signals.errors import StackError
from workers.stack import agents, health, kubeconfig
from workers.stack.layout import Layout
from workers.stack.node import configuration, filling, tools
from workers.stack.node.place import (
    ENFORCER,
    NODE,
    NODE_ADDRESS,
    OUTSIDE_PORTS,
    POD_RANGE,
    Place,
)
from workers.stack.node.rules import Enforcement
from workers.stack.node.running import Node
from workers.stack.ports import HOST, Ports
from workers.stack.process import Server

RANK = 5
OUTSIDE = 'exec ip netns exec outside "$@"'
HEALTH_PORT = 10256
PATIENCE = aiohttp.ClientTimeout(total=2)


def servers(
    layout: Layout,
    ports: Ports,
    binaries: Mapping[str, Path],
    environment: Mapping[str, str],
    enforcement: Enforcement,
) -> tuple[Server, ...]:
    """Write what the node's programs read, and return them as servers.

    Raises:
        StackError: something is missing on this machine.
    """
    place = Place(layout.root)
    tools.check(layout.root)
    node = Node(place, ports, binaries, {**agents.environment(environment), **_path(environment)})
    _write(node)
    enforcing = () if enforcement == "none" else (_enforcer(node, enforcement),)
    return (
        _keeper(node),
        _link(node),
        _outside(node),
        _containerd(node),
        _scheduler(node),
        _kubelet(node),
        _proxy(node),
        *enforcing,
    )


def _path(environment: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": ":".join((environment.get("PATH", ""), *tools.FOLDERS))}


def _write(node: Node) -> None:
    cni, runc, containerd = tools.cni_folder(), tools.program("runc"), tools.program("containerd")
    if cni is None or runc is None or containerd is None:
        raise StackError("the node's tools have gone since they were looked for")
    said = subprocess.run((containerd, "--version"), capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    modern = any(word.removeprefix("v").startswith("2.") for word in said.stdout.split())
    configuration.write(node.place, cni, runc, containerd_2=modern)
    for identity in ("kubelet", "kube-proxy", "scheduler"):
        kubeconfig.by_certificate(
            node.place.kubeconfig(identity),
            server=node.api,
            authority=node.place.pki / "ca.crt",
            certificate=node.place.pki / f"{identity}.crt",
            key=node.place.pki / f"{identity}.key",
        )


def _keeper(node: Node) -> Server:
    return Server(
        name="node",
        command=node.ours("keeper"),
        environment=node.environment,
        before=lambda: node.place.pid.unlink(missing_ok=True),
        probe=health.file(node.place.pid),
        rank=RANK,
    )


def _link(node: Node) -> Server:
    port = str(node.ports["kube-apiserver"])
    return Server(
        name="node-link",
        command=node.ours("link", port),
        environment=node.environment,
        probe=node.succeeds(str(node.binaries["podtool"]), "dial", "500", f"{HOST}:{port}"),
        after=("node",),
        rank=RANK,
    )


def _outside(node: Node) -> Server:
    """Return what answers for addresses of no pod."""
    podtool = str(node.binaries["podtool"])
    ports = [str(port) for port in OUTSIDE_PORTS]
    return Server(
        name="outside",
        command=node.inside("sh", "-c", OUTSIDE, "outside", podtool, "serve", *ports),
        environment=node.environment,
        probe=node.succeeds(podtool, "get", f"http://203.0.113.1:{OUTSIDE_PORTS[0]}/"),
        after=("node",),
        rank=RANK,
    )


def _containerd(node: Node) -> Server:
    return Server(
        name="containerd",
        command=node.inside("containerd", "--config", str(node.place.root / "containerd.toml")),
        environment=node.environment,
        probe=node.succeeds(*filling.CTR, "version"),
        prepare=lambda: filling.fill(node),
        after=("node",),
        rank=RANK,
    )


def _scheduler(node: Node) -> Server:
    config, pki = node.place.kubeconfig("scheduler"), node.place.pki
    command = (
        str(node.binaries["kube-scheduler"]),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--bind-address={HOST}",
        f"--secure-port={node.ports['kube-scheduler']}",
        f"--tls-cert-file={pki / 'scheduler.crt'}",
        f"--tls-private-key-file={pki / 'scheduler.key'}",
        "--leader-elect=false",
    )
    url = f"https://{node.ports.address('kube-scheduler')}/healthz"
    return Server(
        name="kube-scheduler",
        command=command,
        environment=node.environment,
        probe=health.http(url, health.trusting(pki / "ca.crt")),
        after=("kube-apiserver",),
        rank=4,
    )


def _kubelet(node: Node) -> Server:
    command = node.inside(
        str(node.binaries["kubelet"]),
        f"--config={node.place.root / 'kubelet.yaml'}",
        f"--kubeconfig={node.place.kubeconfig('kubelet')}",
        f"--root-dir={node.place.scratch / 'kubelet'}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--v=1",
    )
    return Server(
        name="kubelet",
        command=command,
        environment=node.environment,
        probe=lambda: _is_ready(node),
        after=("containerd", "node-link", "kube-apiserver"),
        rank=RANK,
    )


async def _is_ready(node: Node) -> bool:
    """Say whether the API server heard from this node, not an earlier one, that it is ready for pods."""
    pki = node.place.pki
    trust = health.trusting(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    try:
        async with (
            aiohttp.ClientSession(node.api, timeout=PATIENCE) as session,
            session.get(f"/api/v1/nodes/{NODE}", ssl=trust) as answer,
        ):
            known = await answer.json() if answer.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError):
        return False
    conditions = known.get("status", {}).get("conditions") or ()
    began = await asyncio.to_thread(lambda: node.place.pid.stat().st_mtime)
    ready = any(
        one["type"] == "Ready"
        and one["status"] == "True"
        and datetime.fromisoformat(one["lastHeartbeatTime"]).timestamp() > began - 1
        for one in conditions
    )
    return ready and not known["spec"].get("taints")


def _proxy(node: Node) -> Server:
    command = node.inside(
        str(node.binaries["kube-proxy"]),
        f"--kubeconfig={node.place.kubeconfig('kube-proxy')}",
        f"--hostname-override={NODE}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_RANGE}",
        f"--healthz-bind-address={HOST}:{HEALTH_PORT}",
        f"--metrics-bind-address={HOST}:{HEALTH_PORT + 1}",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    )
    url = f"http://{HOST}:{HEALTH_PORT}/healthz"
    return Server(
        name="kube-proxy",
        command=command,
        environment=node.environment,
        probe=node.succeeds(str(node.binaries["podtool"]), "get", url),
        after=("node-link", "kube-apiserver"),
        rank=RANK,
    )


def _enforcer(node: Node, enforcement: Enforcement) -> Server:
    return Server(
        name=ENFORCER,
        command=node.inside(*node.ours("enforcer", node.api, enforcement)),
        environment=node.environment,
        before=lambda: node.place.enforcing.unlink(missing_ok=True),
        probe=health.file(node.place.enforcing),
        after=("node-link", "kube-apiserver"),
        rank=RANK,
    )
