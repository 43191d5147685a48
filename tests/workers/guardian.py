"""A Runtime Guardian on a memory cluster and a real NATS, as its process runs it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.adapters.memory import MemoryCluster
from activities.ports import ENROLMENTS, NAMESPACES, PODS, REPLICA_SETS, Cluster, Manifest
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.policy import Policy
from signals.subjects import ORCHESTRATOR, RUNTIME_GUARDIAN, threats_stream
from signals.threats import ThreatEvent
from tests.nats_server import NatsServer, connected, free_port
from workers.agent import Context
from workers.bus import Bus
from workers.chain import threat, unseal
from workers.runtime_guardian import run
from workers.settings import Settings

TOKEN = "s3same-open"
SENDER = "node-agents"
KEY = Ed25519PrivateKey.generate()
TRUST = Trust({RUNTIME_GUARDIAN: KEY.public_key()})


def pod(name: str, namespace: str = "shop", *, node: str = "node-1", **given: Any) -> Manifest:
    """Return a running pod of a ReplicaSet."""
    status = {"phase": "Running", **given.pop("status", {})}
    metadata = {"name": name, "namespace": namespace, **given.pop("metadata", {})}
    spec = {"nodeName": node, "serviceAccountName": "default", "containers": [], **given}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def alert(rule: str = "Terminal shell in container", **given: Any) -> dict[str, Any]:
    """Return an alert as Falco writes it, of now."""
    now = datetime.now(UTC)
    nanos = int(now.timestamp()) * 10**9 + now.microsecond * 1000
    fields = {
        "evt.time": nanos,
        "proc.name": "sh",
        "proc.pid": 7,
        "proc.cmdline": "sh -i",
        **given.pop("fields", {}),
    }
    return {
        "rule": rule,
        "priority": "Notice",
        "source": "syscall",
        "hostname": "node-1",
        "output": f"a thing happened (command={fields['proc.cmdline']})",
        "time": f"{now:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z",
        "tags": ["container"],
        "output_fields": fields,
        **given,
    }


@dataclass
class Guardian:
    """A running guardian, and what its tests need of it."""

    settings: Settings
    cluster: MemoryCluster
    bus: Bus
    events: list[ThreatEvent] = field(default_factory=list)
    token: str = TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.falco_port}"

    async def post(
        self, body: object, path: str = "/", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Post a body (JSON unless it is bytes) and return status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}{path}", data=data, headers=given) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object in the cluster."""
        kinds = {"Pod": PODS, "ReplicaSet": REPLICA_SETS, "Enrolment": ENROLMENTS, "Namespace": NAMESPACES}
        metadata = manifest["metadata"]
        ref = kinds[manifest["kind"]].ref(metadata["name"], metadata.get("namespace"))
        return await self.cluster.create(ref, manifest)


def settings_for(server: NatsServer, folder: Path, **given: Any) -> Settings:
    """Return the guardian's settings."""
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps({SENDER: TOKEN, "other": "another-token"}))
    return Settings(
        nats_url=server.url,
        nats_dir=server.pki,
        falco_port=free_port(),
        falco_tokens_file=tokens,
        **given,
    )


def context_for(
    settings: Settings, bus: Bus, cluster: Cluster, stopping: asyncio.Event, ready: Callable[[], None]
) -> Context:
    """Return what the guardian is given."""
    return Context(
        settings=settings,
        agent=RUNTIME_GUARDIAN,
        cluster=cluster,
        bus=bus,
        temporal=None,
        signer=Signer(RUNTIME_GUARDIAN, KEY),
        trust=TRUST,
        liaison_key="",
        policy=Policy(),
        stopping=stopping,
        ready=ready,
    )


@asynccontextmanager
async def guarding(server: NatsServer, folder: Path, **given: Any) -> AsyncIterator[Guardian]:
    """Run a guardian with a fresh memory cluster of its own."""
    cluster = given.pop("cluster", None) or MemoryCluster()
    for name in ("shop", "lab"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if not any(one["metadata"]["name"] == name for one in await cluster.list(NAMESPACES)):
            await cluster.create(NAMESPACES.ref(name), manifest)
    settings = settings_for(server, folder, **given)
    async with connected(server, RUNTIME_GUARDIAN) as bus:
        ready, stopping = asyncio.Event(), asyncio.Event()
        context = context_for(settings, bus, cluster.identity(RUNTIME_GUARDIAN), stopping, ready.set)
        task = asyncio.create_task(run(context))
        try:
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=15)
            if task.done():
                await task
            assert ready.is_set()
            yield Guardian(settings, cluster, bus)
        finally:
            stopping.set()
            await asyncio.wait_for(task, 10)


async def heard(
    server: NatsServer,
    cluster: ClusterRef,
    count: int,
    until: Callable[[list[ThreatEvent]], bool] = lambda _: True,
    seconds: float = 15,
) -> list[ThreatEvent]:
    """Return the events about one cluster as the orchestrator reads them: so many at least, until no more come."""
    found: list[ThreatEvent] = []
    stream_name = threats_stream(RUNTIME_GUARDIAN)
    async with connected(server, ORCHESTRATOR) as reader, asyncio.timeout(seconds):
        stream = reader.consume(stream_name, ORCHESTRATOR, owner=RUNTIME_GUARDIAN, wait_seconds=0.25)
        async with aclosing(stream) as batches:
            async for batch in batches:
                for message in batch:
                    if json.loads(message.data)["cluster"]["uid"] == cluster.uid:
                        found.append(
                            threat(unseal(message, RUNTIME_GUARDIAN, TRUST, cluster), message.accepted_at)
                        )
                    await message.ack()
                if not batch and len(found) >= count and until(found):
                    break
    return found
