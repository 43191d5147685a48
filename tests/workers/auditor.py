"""An RBAC Auditor on a memory cluster and a real NATS, as its process runs it, and what it is sent."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.adapters.memory import MemoryCluster
from activities.ports import NAMESPACES, PODS, Manifest
from signals.envelope import Signer, Trust
from signals.policy import Policy
from signals.subjects import ORCHESTRATOR, RBAC_AUDITOR, threats_stream
from signals.threats import ThreatEvent
from tests.nats_server import NatsServer, connected, free_port
from tests.workers.guardian import pod
from workers.agent import Context
from workers.bus import Bus
from workers.chain import threat, unseal
from workers.rbac_auditor import run
from workers.settings import Settings

TOKEN = "audit-s3same"
KEY = Ed25519PrivateKey.generate()
TRUST = Trust({RBAC_AUDITOR: KEY.public_key()})


def request(verb: str, resource: str, name: str = "x", namespace: str = "", **given: Any) -> dict[str, Any]:
    """Return an audit event of now, as an API server writes it; `pod` is the UID of the asker's pod."""
    account = given.pop("account", "system:serviceaccount:shop:web")
    uid = given.pop("pod", "")
    thing, _, subresource = resource.partition("/")
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "requestURI": "/api",
        "verb": verb,
        "user": {
            "username": account,
            "uid": "u-web",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/pod-uid": [uid]} if uid else {},
        },
        "sourceIPs": ["10.20.0.14"],
        "userAgent": "curl/8",
        "objectRef": {"resource": thing, "subresource": subresource, "namespace": namespace, "name": name},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **given,
    }


@dataclass
class Auditor:
    """A running auditor, and what its tests need of it."""

    settings: Settings
    cluster: MemoryCluster
    bus: Bus
    server: NatsServer

    async def post(self, body: object, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
        """Post a body as an audit webhook does; return status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url, headers = (
            f"http://127.0.0.1:{self.settings.audit_port}/audit?timeout=30s",
            {"Authorization": f"Bearer {token}"},
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=data, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def pod(self, name: str = "web-0", **given: Any) -> Manifest:
        """Make a pod."""
        return await self.cluster.create(PODS.ref(name, "shop"), pod(name, **given))

    async def heard(self, count: int, seconds: float = 15) -> list[ThreatEvent]:
        """Return the events as the orchestrator reads them: so many at least, until no more come."""
        found: list[ThreatEvent] = []
        async with connected(self.server, ORCHESTRATOR) as reader, asyncio.timeout(seconds):
            stream = reader.consume(
                threats_stream(RBAC_AUDITOR), ORCHESTRATOR, owner=RBAC_AUDITOR, wait_seconds=0.25
            )
            async with aclosing(stream) as batches:
                async for batch in batches:
                    for message in batch:
                        if json.loads(message.data)["cluster"]["uid"] == self.cluster.ref.uid:
                            found.append(
                                threat(
                                    unseal(message, RBAC_AUDITOR, TRUST, self.cluster.ref),
                                    message.accepted_at,
                                )
                            )
                        await message.ack()
                    if not batch and len(found) >= count:
                        return found
        return found


@asynccontextmanager
async def auditing(server: NatsServer, folder: Path, **given: Any) -> AsyncIterator[Auditor]:
    """Run an auditor with a fresh memory cluster, or the one that is given."""
    cluster = given.pop("cluster", None) or MemoryCluster()
    if not any(one["metadata"]["name"] == "shop" for one in await cluster.list(NAMESPACES)):
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await cluster.create(NAMESPACES.ref("shop"), space)
    tokens = folder / "audit-tokens.json"
    tokens.write_text(json.dumps({"kube-apiserver": TOKEN}))
    settings = Settings(
        nats_url=server.url, nats_dir=server.pki, audit_port=free_port(), audit_tokens_file=tokens, **given
    )
    async with connected(server, RBAC_AUDITOR) as bus:
        ready, stopping = asyncio.Event(), asyncio.Event()
        context = Context(
            settings=settings, agent=RBAC_AUDITOR, cluster=cluster.identity(RBAC_AUDITOR), bus=bus, temporal=None,
            signer=Signer(RBAC_AUDITOR, KEY), trust=TRUST, liaison_key="", policy=Policy(), stopping=stopping,
            ready=ready.set,
        )  # fmt: skip
        task = asyncio.create_task(run(context))
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=15)
            if task.done():
                await task
            yield Auditor(settings, cluster, bus, server)
        finally:
            waiting.cancel()
            stopping.set()
            await asyncio.wait_for(task, 10)
