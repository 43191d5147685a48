"""A stack on a real node, namespaces with pods that run on it, and what their packets meet."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.adapters.kubernetes import KubernetesCluster
from activities.ports import PODS, Manifest
from signals.errors import StackError
from tests.vertical.scene import Scene
from tests.vertical.stage import Stage, until
from workers.cli.clusters import connected
from workers.cli.drill.run import target_of
from workers.cli.ledger import Ledger
from workers.settings import inherited
from workers.stack.node import tools
from workers.stack.node.filling import CTR
from workers.stack.node.place import IMAGE, Place
from workers.stack.node.rules import Enforcement
from workers.stack.node.running import Node
from workers.stack.options import Options
from workers.stack.run import Stack

SECONDS = 30.0


@asynccontextmanager
async def grounded(root: Path, enforcement: Enforcement) -> AsyncIterator[Stage]:
    """Start a stack with a real node; the test is skipped, and says why, where there can be none."""
    try:
        tools.check(root)
    except StackError as error:
        pytest.skip(str(error))
    root.joinpath("policy.yaml").write_text("isolate_steps: []\nauthority: {rules: []}\n")
    options = Options(state_dir=root, cluster="node", enforcement=enforcement, durable=False)
    async with Stack(options) as stack:
        address = stack.status.endpoints.temporal or ""
        temporal = await Client.connect(address, data_converter=pydantic_data_converter)
        async with connected(target_of(stack.status).administrator()) as cluster:
            assert isinstance(cluster, KubernetesCluster)
            ledger = Ledger(temporal)
            yield Stage(stack=stack, fates=root, cluster=cluster, temporal=temporal, ledger=ledger)


def node_of(stage: Stage) -> Node:
    """Return the node of a stack, as one that commands can be run in."""
    return Node(Place(stage.stack.layout.root), cast("Any", None), {}, inherited())


@dataclass
class Village(Scene):
    """A namespace whose pods run."""

    node: Node = field(kw_only=True)
    _tasks: dict[str, str] = field(default_factory=dict, init=False)

    async def pod(self, name: str = "web-0", app: str = "web", **metadata: Any) -> Manifest:
        """Create a pod that serves, without waiting for it to run."""
        labels = {"app": app, **metadata.pop("labels", {})}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels, **metadata},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": app, "image": IMAGE, "ports": SERVED}],
            },
        }
        return await self.cluster.create(PODS.ref(name, self.namespace), manifest)

    async def live(self, name: str) -> Manifest:
        """Return a pod as it is now."""
        return await self.cluster.get(PODS.ref(name, self.namespace))

    async def address(self, name: str) -> str:
        """Return a pod's address."""
        return str((await self.live(name))["status"]["podIP"])

    async def process(self, pod: Manifest) -> str | None:
        """Return the pid in the node of a pod's program, or None if it is gone."""
        [status] = pod["status"]["containerStatuses"]
        wanted = status["containerID"].removeprefix("containerd://")
        _, listed = await self.node.run(*CTR, "tasks", "ls")
        rows = [line.split() for line in listed.splitlines()]
        return next((row[1] for row in rows if row and row[0] == wanted), None)

    async def entering(self, name: str) -> tuple[str, ...]:
        """Return what runs a command in the network and the files of a pod."""
        pid = await self.process(await self.live(name))
        assert pid, f"{name} has no process"
        return ("nsenter", "--target", pid, "--net", "--mount", "--")

    async def run(self, name: str, *command: str) -> str:
        """Run a command in a pod and return what it said."""
        _, said = await self.node.run(*await self.entering(name), *command)
        return said

    @asynccontextmanager
    async def traffic(self, name: str, flows: Mapping[str, str]) -> AsyncIterator["Traffic"]:
        """Yield steady traffic from a pod: name → host:port, each by new connections and by an open one."""
        targets = [f"{flow}={target}" for flow, target in flows.items()]
        command = self.node.inside(*await self.entering(name), "podtool", "traffic", *targets)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        seen = Traffic(name)
        reading = asyncio.create_task(seen.read(process))
        try:
            await seen.pass_all(flows)
            yield seen
        finally:
            pid = process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children")
            inner = await asyncio.to_thread(children.read_text)
            for one in inner.split():
                await (await asyncio.create_subprocess_exec("kill", "-9", one)).wait()
            await process.wait()
            await reading


SERVED = [{"name": "http", "containerPort": 8080}, {"name": "echo", "containerPort": 9000}]


class Traffic:
    """What became of every flow of one pod."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.changes: list[dict[str, Any]] = []
        self._now: dict[tuple[str, str], dict[str, Any]] = {}

    async def read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            change = json.loads(line)
            key = (change["name"], change["kind"])
            if key not in self._now or self._now[key]["passes"] != change["passes"]:
                self.changes.append(change)
            self._now[key] = change

    def passes(self, flow: str, kind: str = "new") -> bool:
        """Say whether a flow passed when it was last tried."""
        return bool(self._now.get((flow, kind), {}).get("passes"))

    async def pass_all(self, flows: Iterable[str]) -> None:
        """Return once all of them pass, each way."""
        keys = [(flow, kind) for flow in flows for kind in ("new", "open")]

        async def all_pass() -> bool:
            return all(self.passes(*key) for key in keys)

        await until(all_pass, lambda: f"of {self.pod}: {self._now}", pause=0.02)

    async def becomes(self, flow: str, passes: bool, kind: str = "new", seconds: float = SECONDS) -> bool:
        """Say whether a flow comes to pass (or to be refused) in time."""
        deadline = time.monotonic() + seconds
        while self.passes(flow, kind) is not passes:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def refused(self, flow: str, kind: str = "new") -> float | None:
        """Return when the first try that failed began (seconds since the epoch)."""
        times = [
            one["time"]
            for one in self.changes
            if (one["name"], one["kind"], one["passes"]) == (flow, kind, False)
        ]
        return times[0] if times else None

    def failures(self, but: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return every failed try of the flows that nobody meant to stop."""
        return [one for one in self.changes if not one["passes"] and one["name"] not in but]


@asynccontextmanager
async def village(stage: Stage, name: str, mode: str | None = "auto") -> AsyncIterator[Village]:
    """Yield a namespace with a suspect, its sibling, their policy and a client."""
    async with stage.scene(mode, name) as made:
        here = Village(made.cluster, made.namespace, node=node_of(stage))
        await asyncio.gather(here.pod("web-0"), here.pod("web-1"), here.pod("client", "client"))
        await here.policy()
        await here.running()
        here.before = await here.picture()
        yield here
