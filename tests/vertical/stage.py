"""One whole stack on which the vertical is played, and what its tests do with it: as a user would."""

import asyncio
import io
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.adapters.kubernetes import KubernetesCluster
from activities.ports import ENROLMENTS, ROLE_BINDINGS, Cluster
from activities.release import release
from deploy.identities import EXECUTOR_ROLE
from signals.approvals import Answer, Verb
from signals.errors import Conflict, NotFound, Unavailable
from signals.incidents import Incident, Summary
from signals.receipts import ActionState
from tests.vertical.scene import Scene
from workers import cli
from workers.cli import person
from workers.cli.clusters import ANY, connected
from workers.cli.drill import alerts
from workers.cli.drill.run import target_of
from workers.cli.ledger import Ledger
from workers.cli.target import Target
from workers.stack.options import Options
from workers.stack.run import Stack
from workers.stack.state import Status

CRASHING = Path(__file__).with_name("crashing.py")
USUAL = "isolate_steps: []\nauthority: {rules: []}\n"
"""Bare pods, nobody waits for an eviction, and one person undoes it."""
PAUSE = 0.1
PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running stack, as its administrator, its people and its alert senders see it."""

    stack: Stack
    fates: Path
    cluster: KubernetesCluster
    """The API server, as the cluster's administrator."""
    temporal: Client
    ledger: Ledger
    figures: dict[str, str] = field(default_factory=dict)
    """What was measured, for the end of the run."""

    @property
    def status(self) -> Status:
        return self.stack.status

    @property
    def target(self) -> Target:
        return target_of(self.status)

    @asynccontextmanager
    async def scene(self, mode: str | None = "auto", name: str = "") -> AsyncIterator[Scene]:
        """Yield a namespace of one test's own, enrolled unless `mode` is None; nothing of ours is left behind."""
        scene = Scene(self.cluster, name or f"v-{uuid.uuid4().hex[:8]}")
        await scene.make()
        if mode:
            answer = await self.enrol(scene.namespace, mode)
            assert answer.accepted, answer
        try:
            yield scene
        finally:
            await release(self.cluster, None, [scene.namespace])
            for ref in (
                ENROLMENTS.ref(scene.namespace),
                ROLE_BINDINGS.ref(EXECUTOR_ROLE, scene.namespace),
            ):
                try:
                    await self.cluster.delete(ref)
                except NotFound:
                    continue

    async def enrol(self, namespace: str, mode: str) -> Answer:
        """Enrol a namespace as the lead does."""
        return await self.say(Verb.ENROL, who="lead", namespace=namespace, mode=mode)

    async def post(self, *alert: dict[str, Any]) -> int:
        """Post alerts as one body, as Falco and falcosidekick do; return the HTTP status of the answer."""
        body = alert[0] if len(alert) == 1 else list(alert)
        return await alerts.post(self.status, json.dumps(body).encode())

    async def say(self, verb: Verb, incident: str = "", who: str = "oncall", **what: Any) -> Answer:
        """Speak as a person does: through a Command under their own kubeconfig."""
        spec = {"incident": incident, **what} if incident else what
        return (await person.speak(self.target, verb, spec, who)).answer

    async def firebreak(self, *arguments: str, state: Path | None = None) -> tuple[int, str, str]:
        """Run a command line; return its exit code and what it said on both streams."""
        folder = str(state or self.status.state_dir)
        out, err = io.StringIO(), io.StringIO()

        def run() -> int:
            with redirect_stdout(out), redirect_stderr(err):
                return cli.main(["--state", folder, *arguments])

        code = await asyncio.to_thread(run)
        return code, out.getvalue(), err.getvalue()

    async def summaries(self, scene: Scene) -> tuple[Summary, ...]:
        """Return the incidents of a namespace, newest first."""
        return await self.ledger.summaries(scene.namespace)

    async def incident(
        self, scene: Scene, holds: Callable[[Incident], bool], seconds: float = PATIENCE
    ) -> Incident:
        """Return the one incident of a namespace, once it is so."""
        found: Incident | None = None

        async def look() -> bool:
            nonlocal found
            listed = await self.summaries(scene)
            assert len(listed) <= 1, [one.id for one in listed]
            found = await self.ledger.ask(listed[0].id) if listed else None
            return found is not None and holds(found)

        await until(look, lambda: f"the incident of {scene.namespace} is {told(found)}", seconds)
        assert found
        return found

    async def reaches(
        self, incident: str, holds: Callable[[Incident], bool], seconds: float = PATIENCE
    ) -> Incident:
        """Return an incident by its id, once it is so."""
        found: Incident | None = None

        async def look() -> bool:
            nonlocal found
            found = await self.ledger.ask(incident)
            return holds(found)

        await until(look, lambda: f"{incident} is {told(found)}", seconds)
        assert found
        return found

    @asynccontextmanager
    async def person(self, who: str) -> AsyncIterator[Cluster]:
        """Yield the API server as a person."""
        async with connected(self.target.person(who), ANY) as cluster:
            yield cluster

    def doom(self, agent: str, scene: Scene, write: int, moment: str, what: str = "kill") -> Path:
        """Have an agent die (or be held) before or after its n-th write in a namespace; return its fate."""
        fate = self.fates / f"{agent}.json"
        text = json.dumps({"namespace": scene.namespace, "write": write, "moment": moment, "what": what})
        fate.with_suffix(".new").write_text(text)
        fate.with_suffix(".new").rename(fate)
        return fate

    async def met(self, fate: Path, scene: Scene) -> None:
        """Return once an agent has met its fate."""
        stories: list[str] = []

        async def has_happened() -> bool:
            if not await asyncio.to_thread(fate.exists):
                return True
            stories[:] = [told(await self.ledger.ask(one.id)) for one in await self.summaries(scene)]
            return False

        await until(has_happened, lambda: f"nothing happened; the incidents are {stories}")

    def held(self, agent: str) -> Callable[[], Awaitable[bool]]:
        """Return whether an agent is held at its fate, as `until` asks."""
        mark = self.fates / f"{agent}.held"

        async def is_held() -> bool:
            return await asyncio.to_thread(mark.exists)

        return is_held

    def kill(self, process: str) -> int:
        """`kill -9` one process of the stack; return how often it had been restarted."""
        state = self.status.process(process)
        assert state.pid is not None
        os.kill(state.pid, signal.SIGKILL)
        return state.restarts

    async def back(self, process: str, restarts: int) -> float:
        """Return the time (monotonic) at which a process was ready again after its restart."""

        async def ready() -> bool:
            state = self.status.process(process)
            return state.ready and state.restarts > restarts

        await until(ready, lambda: f"{process} is {self.status.process(process)}", pause=0.01)
        return time.monotonic()


def told(incident: Incident | None) -> str:
    """Return an incident in few words, for a test that waits in vain."""
    if incident is None:
        return "not there"
    receipts = [(one.action.type, one.state.value, one.reason) for one in incident.receipts]
    moments = [(moment.what, moment.detail) for moment in incident.timeline[-8:]]
    return f"{incident.summary.state}, {receipts}, {incident.summary.waiting_for}, {moments}"


def settled(incident: Incident) -> bool:
    """Whether something was applied, and all of it was verified."""
    states = {receipt.state for receipt in incident.receipts}
    return bool(states) and ActionState.APPLIED not in states and any(state.stands for state in states)


async def until(
    holds: Callable[[], Any],
    otherwise: Callable[[], str],
    seconds: float = PATIENCE,
    pause: float = PAUSE,
) -> None:
    """Return once it is so; a server that restarts meanwhile is waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if await holds():
                return
        except (Unavailable, NotFound, Conflict) as error:
            otherwise = _both(otherwise, error)
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(pause)


def _both(otherwise: Callable[[], str], error: Exception) -> Callable[[], str]:
    return lambda: f"{otherwise()} ({error})"


@asynccontextmanager
async def staged(
    root: Path, policy: str = USUAL, settings: dict[str, Any] | None = None
) -> AsyncIterator[Stage]:
    """Start one stack whose agents are processes with mortal hands.

    Without a policy of its own, pods are bare, nobody waits for an eviction, and one person undoes it.
    """
    fates = root / "fates"
    fates.mkdir(exist_ok=True)
    state = root / "state"
    state.mkdir(exist_ok=True)
    (state / "policy.yaml").write_text(policy)
    options = Options(
        state_dir=state,
        agent_command=(sys.executable, "-P", str(CRASHING), str(fates)),
        settings=settings or {},
        durable=False,
    )
    async with Stack(options) as stack:
        address = stack.status.endpoints.temporal or ""
        temporal = await Client.connect(address, data_converter=pydantic_data_converter)
        async with connected(target_of(stack.status).administrator()) as cluster:
            assert isinstance(cluster, KubernetesCluster)
            yield Stage(stack=stack, fates=fates, cluster=cluster, temporal=temporal, ledger=Ledger(temporal))
