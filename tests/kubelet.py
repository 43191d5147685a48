"""A fake kubelet: it answers for logs and commands as a node's would, and runs nothing.

The API server is real and speaks to it as to any node. What no fake can show is a container.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.control_plane import ControlPlane
from workers.stack.pki import SERVER, Subject

OUT, ERROR_OUT, STATUS = b"\x01", b"\x02", b"\x03"


@dataclass
class Kubelet:
    """One fake node: what its containers have written and would print."""

    node: str = ""
    logs: dict[tuple[str, bool], bytes] = field(default_factory=dict)
    """By container, and whether it is the run before."""
    prints: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """By container and program; what is missing cannot be started."""
    asked: list[str] = field(default_factory=list)
    slow: bool = False

    async def log(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        container, previous = request.match_info["container"], request.query.get("previous") == "true"
        if self.slow:
            await asyncio.sleep(30)
        found = self.logs.get((container, previous))
        if found is None:
            return web.Response(status=400, text=f'previous terminated container "{container}" not found')
        return web.Response(body=found[: int(request.query.get("limitBytes", len(found)))])

    async def exec(self, request: web.Request) -> web.WebSocketResponse:
        self.asked.append(request.path_qs)
        stream = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await stream.prepare(request)
        program = request.query.getall("command")[0]
        printed = self.prints.get((request.match_info["container"], program))
        if printed is None:
            message = f'exec: "{program}": executable file not found in $PATH'
            await stream.send_bytes(STATUS + json.dumps({"status": "Failure", "message": message}).encode())
        else:
            for start in range(0, len(printed), 1 << 15):
                await stream.send_bytes(OUT + printed[start : start + (1 << 15)])
            await stream.send_bytes(STATUS + json.dumps({"status": "Success"}).encode())
        await stream.close()
        return stream


@asynccontextmanager
async def kubelet(plane: ControlPlane, name: str, folder: Path) -> AsyncIterator[Kubelet]:
    """Join a fake node to the control plane, until the block ends."""
    plane.authority.issue(
        folder, "kubelet", Subject(name="kubelet", addresses=("127.0.0.1",), usages=(SERVER,))
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "kubelet.crt", folder / "kubelet.key")
    fake = Kubelet(node=name)
    application = web.Application()
    where = "/{namespace}/{pod}/{container}"
    application.add_routes([web.get(f"/containerLogs{where}", fake.log), web.get(f"/exec{where}", fake.exec)])
    runner = web.AppRunner(application, shutdown_timeout=0.2, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    await asyncio.to_thread(plane.admin.call, "POST", "/api/v1/nodes", node)
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    joined = await asyncio.to_thread(
        plane.admin.patch,
        f"/api/v1/nodes/{name}/status",
        {"op": "add", "path": "/status", "value": status},
    )
    assert joined.status == 200, joined
    try:
        yield fake
    finally:
        await asyncio.to_thread(plane.admin.delete, f"/api/v1/nodes/{name}")
        await runner.cleanup()
