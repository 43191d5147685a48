"""One stack, from nothing to ready and back: `async with Stack(Options(state_dir=…)) as stack: stack.status`."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from signals.errors import FirebreakError
from signals.subjects import CONTEXT_STORE, LIAISON, RBAC_AUDITOR
from workers import settings
from workers.stack import agents, credentials, kubernetes, nats, state, temporal
from workers.stack.access import of_administrator, of_context
from workers.stack.api import Access, Api
from workers.stack.building import resolved
from workers.stack.install import add_nodes, agent_kubeconfigs, cluster_uid, install
from workers.stack.layout import Layout
from workers.stack.metrics import MetricsServer
from workers.stack.node import servers as node
from workers.stack.options import Options
from workers.stack.ports import HOST, Ports, reserve
from workers.stack.process import Server
from workers.stack.progress import OnProgress, Progress, unheard
from workers.stack.rotation import keep_turning
from workers.stack.short import Watch
from workers.stack.space import families, room
from workers.stack.supervisor import Supervisor

NEEDED_BY_AGENTS = ("temporal", "nats", "kube-apiserver")
READY_ESTIMATE = 12.0
RENEWAL_SHARE = 0.8
"""Share of a token's life after which it is renewed; some clusters grant a day, whatever was asked for."""
RENEWAL_PAUSE = 5.0
"""Least seconds between two renewals, and between the restarts of two agents."""
log = logging.getLogger(__name__)


class Stack:
    """The embedded servers and the agents, as an asynchronous context."""

    def __init__(self, options: Options, on_progress: OnProgress = unheard) -> None:
        """Hold what to run; nothing is started before entry."""
        self.options = options
        self.layout = Layout(options.state_dir.absolute())
        self._on_progress = on_progress
        self._supervisor = Supervisor(self.layout, self._changed)
        self._endpoints = state.Endpoints()
        self._metrics: MetricsServer | None = None
        self._started = False
        self._exit = AsyncExitStack()
        self._environment = settings.inherited()

    @property
    def status(self) -> state.Status:
        """The status document as of now."""
        processes = self._supervisor.processes
        receives = self._endpoints.falco is not None
        people = {
            person: str(self.layout.kubeconfig(person))
            for person in credentials.PEOPLE
            if self.options.embedded
        }
        return state.Status(
            ready=self._started and all(process.ready for process in processes),
            state_dir=str(self.layout.root),
            processes=processes,
            endpoints=self._endpoints,
            falco_token_file=str(self.layout.falco / "token") if receives else None,
            falco_ca_file=str(self.layout.falco / "ca.crt") if receives else None,
            people=state.People.model_validate(people),
        )

    async def __aenter__(self) -> Self:
        """Start everything and return when all of it is ready.

        Raises:
            StackError: the folder is held by another stack, or something cannot be built or started.
            FirebreakError: the cluster refuses the installation.
        """
        async with AsyncExitStack() as starting:
            starting.enter_context(state.held(self.layout))
            await asyncio.to_thread(state.no_leftovers, self.layout)
            starting.callback(self._changed)
            self._changed()
            await self._start(starting)
            self._exit = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, in the order that lets each finish."""
        self._started = False
        await self._exit.aclose()

    async def _start(self, starting: AsyncExitStack) -> None:
        binaries = await resolved(self.options, self._on_progress)
        began = time.monotonic()
        self.layout.make()
        ports = reserve(self.layout.ports)
        starting.callback(ports.guard.close)
        made = {"embedded": self.options.embedded, "real_node": self.options.real_node}
        await asyncio.to_thread(credentials.make, self.layout, **made)
        self._endpoints = self._where(ports)
        processes = self._agent_processes()
        await self._serve_metrics(starting, ports, processes)
        starting.push_async_callback(self._supervisor.stop)
        self._say("starting servers", began)
        core = self._core(ports, binaries)
        self._supervisor.add(core)
        uid, ends = None, None
        if self.options.cluster != "memory":
            uid, ends = await self._install(processes)
        self._say("starting agents", began)
        needed = tuple(server.name for server in core if server.name in NEEDED_BY_AGENTS)
        self._supervisor.add(self._agents(ports, processes, needed, uid))
        await self._supervisor.ready()
        self._beside(starting, keep_turning(self.layout, lambda: self._supervisor.reload("nats")))
        self._beside(starting, Watch(self.layout, self._supervisor, self._told(LIAISON, ports, 0, uid)).run())
        if ends:
            self._beside(starting, self._renew(processes, ends))
        self._started = True
        self._changed()
        self._say("ready", began)

    def _beside(self, starting: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
        """Do something as long as the stack runs."""
        task = asyncio.create_task(work)
        starting.push_async_callback(asyncio.wait, {task})
        starting.callback(task.cancel)

    def _core(self, ports: Ports, binaries: Mapping[str, Path]) -> tuple[Server, ...]:
        servers: tuple[Server, ...] = (
            temporal.server(self.layout, ports, self._environment),
            nats.server(self.layout, ports, self._environment),
        )
        if not self.options.embedded:
            return servers
        told = (self.layout, ports, binaries, self._environment)
        servers += kubernetes.servers(*told, durable=self.options.durable, real_node=self.options.real_node)
        return servers + (node.servers(*told, self.options.enforcement) if self.options.real_node else ())

    async def _serve_metrics(
        self, starting: AsyncExitStack, ports: Ports, processes: tuple[str, ...]
    ) -> None:
        sources = {process: ports.metrics(position) for position, process in enumerate(processes)}
        server = MetricsServer(
            ports, sources, lambda: self._supervisor.processes, lambda: families(room(self.layout))
        )
        await server.start()
        starting.push_async_callback(server.stop)

    async def _install(self, processes: tuple[str, ...]) -> tuple[str, datetime]:
        """Give the cluster what we ship, and every agent a kubeconfig of its own.

        Return which cluster it is, and when the first token ends.
        """
        access = await self._access()
        async with Api(access) as api:
            await install(api)
            if self.options.embedded and not self.options.real_node:
                await add_nodes(api)
            ends = await agent_kubeconfigs(api, self.layout, processes)
            return await cluster_uid(api), ends

    async def _renew(self, processes: tuple[str, ...], ends: datetime) -> None:
        """Give agents new tokens in time. They read them when they start, so each is started again."""
        while True:
            left = (ends - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(RENEWAL_PAUSE, left * RENEWAL_SHARE))
            try:
                async with Api(await self._access()) as api:
                    ends = await agent_kubeconfigs(api, self.layout, processes)
            except FirebreakError as error:
                log.warning("tokens were not renewed: %s", error)
                continue
            for process in processes:
                self._supervisor.start_again(process)
                await asyncio.sleep(RENEWAL_PAUSE)

    async def _access(self) -> Access:
        admin = self.layout.kubeconfig("admin")
        if self.options.context is None:
            await self._supervisor.ready("kube-apiserver")
            return of_administrator(self.layout)
        return await of_context(self.options.kubeconfig, self.options.context, admin)

    def _agent_processes(self) -> tuple[str, ...]:
        together = self.options.cluster == "memory" and self.options.agents
        return (agents.ALL,) if together else self.options.agents

    def _agents(
        self, ports: Ports, processes: tuple[str, ...], after: tuple[str, ...], uid: str | None
    ) -> list[Server]:
        servers = []
        for position, process in enumerate(processes):
            told = self._told(process, ports, ports.metrics(position), uid)
            command = self.options.agent_command
            servers.append(agents.server(process, told, self._environment, command=command, after=after))
        return servers

    def _told(self, process: str, ports: Ports, metrics_port: int, uid: str | None) -> settings.Settings:
        """Return what one agent is told."""
        given = {
            "cluster_name": self.options.context or "local",
            "cluster_uid": uid,
            **self._audit_log(process),
            **self.options.settings,
        }
        return agents.settings(
            self.layout,
            ports,
            process,
            cluster="memory" if self.options.cluster == "memory" else "kubernetes",
            metrics_port=metrics_port,
            given=given,
        )

    def _audit_log(self, process: str) -> dict[str, Path]:
        """Return which file is followed for events, and for who changed what: the embedded API server's."""
        follows = process in (RBAC_AUDITOR, CONTEXT_STORE) and self.options.embedded
        return {"audit_log_file": self.layout.audit_log} if follows else {}

    def _where(self, ports: Ports) -> state.Endpoints:
        receives = agents.receives_alerts(self.options.agents)
        audits = RBAC_AUDITOR in self._agent_processes()
        cluster = self.options.cluster != "memory"
        return state.Endpoints(
            falco=f"https://{HOST}:{ports['falco']}/" if receives else None,
            audit=f"https://{HOST}:{ports['audit']}/audit" if audits else None,
            temporal=ports.address("temporal"),
            temporal_namespace=temporal.NAMESPACE,
            temporal_ui=f"http://{ports.address('temporal-ui')}",
            nats=nats.url(ports),
            kubeconfig=str(self.layout.kubeconfig("admin")) if cluster else None,
            audit_log=str(self.layout.audit_log) if self.options.embedded else None,
            metrics=f"http://{ports.address('supervisor')}/metrics",
        )

    def _changed(self) -> None:
        state.write(self.layout, self.status)

    def _say(self, phase: str, began: float) -> None:
        elapsed = time.monotonic() - began
        self._on_progress(Progress(phase=phase, elapsed=elapsed, estimate=READY_ESTIMATE))
