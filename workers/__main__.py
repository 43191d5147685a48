"""Runs one agent, as `python -m workers AGENT`; or all of them as tasks around one dictionary: `all`."""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog

import workflows
from activities.adapters.memory import MemoryCluster
from activities.ports import NAMESPACES
from signals import policy
from signals.audit import Kind
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.errors import BadInput, FirebreakError, SettingsInvalid, Unavailable
from signals.subjects import AGENTS, LIAISON, NAMESPACE
from workers import observability, settings
from workers.agent import BUILD_ID, Agent, Context
from workers.bus import Bus
from workers.keyring import PUBLIC, Keyring, OwnKey
from workers.observability import Observability
from workers.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.adapters.kubernetes import KubernetesCluster

ALL = "all"
CONNECT_SECONDS = 30.0


def find(name: str) -> tuple[Agent, ...]:
    """Return the agent of this name, or every agent for `all`.

    Raises:
        BadInput: there is no such agent; the text lists those that there are.
    """
    if name != ALL and name not in AGENTS:
        raise BadInput(
            f"there is no agent {name!r}; there are {', '.join(AGENTS)}, and {ALL} for all of them"
        )
    names = AGENTS if name == ALL else (name,)
    modules = (importlib.import_module(f"workers.{agent.replace('-', '_')}") for agent in names)
    return tuple(cast("Agent", module.AGENT) for module in modules)


def check_packages() -> None:
    """Fail clearly if another project's `workflows` is imported in the place of ours.

    Raises:
        SettingsInvalid: it is; Firebreak wants an environment of its own.
    """
    ours, theirs = Path(__file__).parent.parent, Path(str(workflows.__file__)).parent.parent
    if ours != theirs:
        raise SettingsInvalid(
            f"`workflows` is imported from {theirs}, not from {ours}: use an environment of its own"
        )


def keys(told: Settings, agent: str) -> tuple[Signer, Trust, str]:
    """Return the agent's own key, everybody's public keys, and the liaison's as text.

    Raises:
        SettingsInvalid: the folder or a key is missing.
    """
    folder = told.keys_dir
    if folder is None:
        raise SettingsInvalid("FIREBREAK_KEYS_DIR must name the folder of signing keys")
    try:
        signer = OwnKey(agent, folder / f"{agent}.key")
        liaison = (folder / PUBLIC / f"{LIAISON}.pub").read_text()
        return signer, Keyring(folder / PUBLIC), liaison
    except OSError as error:
        raise SettingsInvalid(f"FIREBREAK_KEYS_DIR: {folder}: {error}") from error


async def cluster_of(told: Settings) -> "KubernetesCluster":
    """Return the API server as this agent sees it."""
    from activities.adapters import kubernetes

    ref = ClusterRef(name=told.cluster_name, uid=told.cluster_uid) if told.cluster_uid else None
    return await kubernetes.connect(told.kubeconfig, told.context, told.cluster_name, ref=ref)


async def temporal_of(told: Settings, watch: Observability) -> "Client":
    """Connect to Temporal, waiting for it to come up. Most agents have no access to it, and never load it.

    Raises:
        Unavailable: it did not within half a minute.
    """
    from temporalio.client import Client
    from temporalio.contrib.pydantic import pydantic_data_converter

    deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
    while True:
        try:
            return await Client.connect(
                told.temporal_address,
                namespace=told.temporal_namespace,
                data_converter=pydantic_data_converter,
                interceptors=watch.interceptors(),
            )
        except RuntimeError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"Temporal at {told.temporal_address} does not answer: {error}") from error
            await asyncio.sleep(0.25)


def read_policy(told: Settings) -> policy.Policy:
    """Return the policy that the settings name, or the defaults.

    Raises:
        SettingsInvalid: the file cannot be read.
        PolicyInvalid: it does not hold its schema.
    """
    if told.policy_file is None:
        return policy.Policy()
    try:
        return policy.parse(told.policy_file.read_text(), str(told.policy_file))
    except OSError as error:
        raise SettingsInvalid(f"FIREBREAK_POLICY_FILE: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Process:
    """What all agents of this process share."""

    settings: Settings
    watch: Observability
    stopping: asyncio.Event
    ready: Callable[[str], None]
    attention: Callable[[str], None]
    memory: MemoryCluster | None = None

    async def run(self, agent: Agent) -> None:
        """Run one agent with its own identity everywhere."""
        told = self.settings
        structlog.contextvars.bind_contextvars(agent=agent.name)
        signer, trust, liaison_key = keys(told, agent.name)
        async with AsyncExitStack() as closing:
            bus = await Bus.connect(told, agent.name)
            closing.push_async_callback(bus.close)
            cluster = self.memory.identity(agent.name) if self.memory else await cluster_of(told)
            closing.push_async_callback(cluster.close)
            context = Context(
                settings=told,
                agent=agent.name,
                cluster=cluster,
                workload=cluster.workload,
                bus=bus,
                temporal=await temporal_of(told, self.watch) if agent.uses_temporal else None,
                signer=signer,
                trust=trust,
                liaison_key=liaison_key,
                policy=read_policy(told),
                stopping=self.stopping,
                ready=lambda: self.ready(agent.name),
                attention=self.attention,
            )
            closing.push_async_callback(context.audit.finish)
            digest = context.policy.digest
            context.audit.later(Kind.STARTED, {"policy": digest, "replica": told.replica, "build": BUILD_ID})
            await _while_connected(agent, context)


async def _while_connected(agent: Agent, context: Context) -> None:
    """Run an agent until it ends, or until NATS has closed its connection for good.

    Raises:
        Unavailable: NATS did. An agent that nobody hears must not look as if it worked.
    """
    running: asyncio.Future[None] = asyncio.ensure_future(agent.run(context))
    lost = asyncio.create_task(context.bus.lost())
    try:
        done, _ = await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
        if running not in done:
            raise Unavailable(f"NATS has closed the connection of {agent.name}; was it revoked?")
        running.result()
    finally:
        for task in (running, lost):
            task.cancel()
        await asyncio.gather(running, lost, return_exceptions=True)


async def memory_cluster(told: Settings, closing: AsyncExitStack) -> MemoryCluster:
    """Return a new cluster in a dictionary, with our own namespace, reachable by commands."""
    from activities.adapters import memory_wire

    memory = MemoryCluster(name=told.cluster_name)
    ours = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await memory.create(NAMESPACES.ref(NAMESPACE), ours)
    if told.memory_dir:
        await closing.enter_async_context(memory_wire.serve(memory, told.memory_dir))
    return memory


async def serve(agents: Sequence[Agent], told: Settings, watch: Observability) -> None:
    """Run agents until SIGTERM or SIGINT, or until one of them fails."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    waiting, said = {agent.name for agent in agents}, list[str]()

    def ready(name: str) -> None:
        waiting.discard(name)
        if not waiting and told.ready_file:
            told.ready_file.write_text("".join(f"{line}\n" for line in said), encoding="utf-8")

    async with AsyncExitStack() as closing:
        memory = await memory_cluster(told, closing) if told.cluster == "memory" else None
        process = Process(
            settings=told, watch=watch, stopping=stopping, ready=ready, attention=said.append, memory=memory
        )
        async with asyncio.TaskGroup() as group:
            for agent in agents:
                group.create_task(process.run(agent))


def main(arguments: Sequence[str]) -> int:
    """Run what the one argument names; return the exit code."""
    try:
        check_packages()
        if len(arguments) != 1:
            raise BadInput(f"usage: python -m workers AGENT|{ALL}")
        agents = find(arguments[0])
        told = settings.read()
        watch = observability.start(told, arguments[0])
        try:
            asyncio.run(serve(agents, told, watch))
        finally:
            watch.shutdown()
    except FirebreakError as error:
        print(f"firebreak: {error}", file=sys.stderr)  # noqa: T201 - before logging is there
        return 2 if isinstance(error, BadInput) else 1
    return 0


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(ended)  # Temporal's native runtime may abort a Python that is shutting down (sdk-python#300)
