"""The ground that is measured on: a whole stack, namespaces with a pod and a policy each, and its audit log."""

import asyncio
import json
import ssl
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.adapters.kubernetes import KubernetesCluster
from activities.ports import ENROLMENTS, PODS, ROLE_BINDINGS
from deploy.rbac import executor_binding
from signals.subjects import MARK_PREFIX, REMEDIATION_EXECUTOR, service_account
from tests.bench.frame import Run
from tests.vertical.audit import WRITING
from tests.vertical.scene import REVERSE_SHELL, Scene
from tests.vertical.stage import until
from workers.cli.clusters import connected
from workers.cli.drill.run import target_of
from workers.stack.options import Options
from workers.stack.run import Stack

EXECUTOR = service_account(REMEDIATION_EXECUTOR)
CONTAINMENT = "isolate_steps: []\nauthority: {rules: []}\n"
"""What is measured is the containment: bare pods, and nobody waits for an eviction."""
AT_ONCE = 20
"""Requests in flight while the ground is prepared."""


@dataclass(frozen=True)
class Victim:
    """One pod that will be attacked."""

    scene: Scene
    pod: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A running stack, as its administrator and its alert senders see it."""

    stack: Stack
    cluster: KubernetesCluster
    temporal: Client
    session: aiohttp.ClientSession

    @property
    def base(self) -> int:
        """The first port of the stack."""
        return int(json.loads(self.stack.layout.ports.read_text())["base"])

    async def victims(self, count: int, *, together: bool = False, mode: str = "auto") -> list[Victim]:
        """Make pods with a policy each: a namespace for every pod, or one namespace and one policy for all."""
        slots = asyncio.Semaphore(AT_ONCE)
        names = [f"b-{uuid.uuid4().hex[:8]}" for _ in range(1 if together else count)]
        scenes = [Scene(self.cluster, name) for name in names]

        async def space(scene: Scene) -> None:
            async with slots:
                await scene.make()
                await scene.policy()
                binding = executor_binding(scene.namespace)
                name = binding["metadata"]["name"]
                await self.cluster.create(ROLE_BINDINGS.ref(name, scene.namespace), binding)
                enrolment = {
                    "apiVersion": "firebreak.dev/v1alpha1",
                    "kind": "Enrolment",
                    "spec": {"mode": mode},
                }
                await self.cluster.create(ENROLMENTS.ref(scene.namespace), enrolment)

        async def pod(scene: Scene, number: int) -> Victim:
            async with slots:
                return Victim(scene, await scene.pod(f"web-{number}"))

        await asyncio.gather(*(space(scene) for scene in scenes))
        places = scenes * count if together else scenes
        made = await asyncio.gather(*(pod(scene, number) for number, scene in enumerate(places)))
        for scene in scenes:
            await scene.running()
        await asyncio.sleep(2)  # the guardian's watches hear of all of it
        return list(made)

    async def attack(self, victim: Victim) -> datetime:
        """Post one alert; return when it was accepted."""
        return await self.post(json.dumps(victim.scene.alert(REVERSE_SHELL, victim.pod)).encode())

    async def post(self, body: bytes) -> datetime:
        """Post a body of alerts; return when it was accepted."""
        status = self.stack.status
        token = await asyncio.to_thread(Path(status.falco_token_file or "").read_text)
        headers = {"Authorization": f"Bearer {token.strip()}"}
        async with self.session.post(status.endpoints.falco or "", data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        return datetime.now(UTC)

    def writes(self, namespaces: Iterable[str], user: str = EXECUTOR) -> dict[str, list[datetime]]:
        """Return when an identity's real writes were done, by namespace, in order."""
        wanted = {name: list[datetime]() for name in namespaces}
        with Path(self.stack.status.endpoints.audit_log or "").open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # it is being written
                record = json.loads(line)
                place = (record.get("objectRef") or {}).get("namespace")
                code = record.get("responseStatus", {}).get("code", 0)
                ours = record["user"]["username"] == user and "dryRun" not in record["requestURI"]
                if place in wanted and ours and record["verb"] in WRITING and code < 300:
                    wanted[place].append(datetime.fromisoformat(record["stageTimestamp"]))
        return {name: sorted(stamps) for name, stamps in wanted.items()}

    async def contained(self, victims: list[Victim], seconds: float = 120) -> None:
        """Wait until every victim carries our mark."""

        async def all_marked() -> bool:
            uids = {
                pod["metadata"]["uid"]
                for pod in await self.cluster.list(PODS)
                if any(key.startswith(MARK_PREFIX) for key in pod["metadata"].get("labels") or {})
            }
            return all(victim.pod["metadata"]["uid"] in uids for victim in victims)

        await until(all_marked, lambda: "not every victim is marked", seconds=seconds, pause=0.5)


@asynccontextmanager
async def ground_of(run: Run, **differing: Any) -> AsyncIterator[Ground]:
    """Start a durable stack to measure on, with options that differ."""
    run.say("starting a stack")
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-", ignore_cleanup_errors=True) as folder:
        async with broken(Path(folder), **differing) as ground:
            yield ground


@asynccontextmanager
async def broken(root: Path, policy: str = CONTAINMENT, **differing: Any) -> AsyncIterator[Ground]:
    """Start a durable stack under a policy in a folder."""
    (root / "policy.yaml").write_text(policy, encoding="utf-8")
    async with Stack(Options(state_dir=root, **differing)) as stack:
        trusted = ssl.create_default_context(cafile=stack.status.falco_ca_file)
        temporal = await Client.connect(
            stack.status.endpoints.temporal or "", data_converter=pydantic_data_converter
        )
        connector = aiohttp.TCPConnector(ssl=trusted, limit=100)
        async with (
            connected(target_of(stack.status).administrator()) as cluster,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            assert isinstance(cluster, KubernetesCluster)
            yield Ground(stack=stack, cluster=cluster, temporal=temporal, session=session)
