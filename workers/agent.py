"""The shape of an agent: one file, one value, one identity."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from activities.ports import Cluster, Workload
from signals.envelope import Signer, Trust
from signals.policy import Policy
from workers.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from workers.audit import Audit
    from workers.bus import Bus


CANCEL_SECONDS = 5.0
"""How long a task may take to end before it is cancelled once more."""
BUILD_ID = f"firebreak-{version('firebreak')}"
"""What a worker says that it is. Unsaid, the SDK hashes every loaded module at each start, which takes seconds."""


def unheard(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything an agent is given: its settings, its identity at each server, and when to stop."""

    settings: Settings
    agent: str
    cluster: Cluster
    """The API server, as this agent's own ServiceAccount."""
    bus: "Bus"
    """NATS, as this agent."""
    temporal: "Client | None"
    """Temporal; None for detecting agents, which have no access to it."""
    signer: Signer
    trust: Trust
    liaison_key: str
    """The liaison's public key, PEM: what a workflow needs to believe a command."""
    policy: Policy
    stopping: asyncio.Event
    ready: Callable[[], None]
    """To be called once the agent serves."""
    attention: Callable[[str], None] = unheard
    """To be called before `ready` with what a person has to see to; `firebreak status` shows it."""
    workload: Workload | None = None
    """What runs inside pods, as this agent's own ServiceAccount."""

    @cached_property
    def audit(self) -> "Audit":
        """This agent's part of the audit record."""
        from workers.audit import Audit

        return Audit(self.bus, self.signer, self.cluster.ref, self.settings.replica)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent. `run` serves until `context.stopping` is set, then returns with nothing left half done."""

    name: str
    run: Callable[[Context], Awaitable[None]]
    uses_temporal: bool = True


async def until_stopped(context: Context, *work: "asyncio.Task[None]") -> None:
    """Let an agent's tasks run until it is told to stop; raise what one of them ends with before.

    Deaf, or without its sweeper, an agent must end: whoever runs it starts it again.
    """
    stopping = asyncio.create_task(context.stopping.wait())
    try:
        done, _ = await asyncio.wait({stopping, *work}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()
    finally:
        await ended((stopping, *work))


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks until they have ended.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, by which nats-py waits for every answer, forgets a
    cancel that comes together with the answer, and the loop around it goes on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
