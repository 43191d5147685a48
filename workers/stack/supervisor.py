"""All processes of one stack: started as their dependencies allow, stopped in the order that lets each finish."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

from workers.stack.layout import Layout
from workers.stack.leash import Leash
from workers.stack.process import Child, Server
from workers.stack.state import Process


class Supervisor:
    """Runs servers and agents until it is told to stop."""

    def __init__(self, layout: Layout, on_change: Callable[[], None]) -> None:
        """`on_change` is called whenever the state of a process has changed."""
        self._layout = layout
        self._on_change = on_change
        self._leash = Leash()
        self._children: dict[str, Child] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waiting: set[str] = set()

    @property
    def processes(self) -> tuple[Process, ...]:
        """The state of every process, in the order in which they were added."""
        return tuple(child.state for child in self._children.values())

    def add(self, servers: Sequence[Server]) -> None:
        """Start servers; each waits by itself for those that it comes after."""
        for server in servers:
            log = self._layout.log(server.name)
            self._children[server.name] = Child(server, log, self._leash, self._on_change)
        for server in servers:
            self._running[server.name] = asyncio.create_task(self._run(server))
        self._on_change()

    async def _run(self, server: Server) -> None:
        self._waiting.add(server.name)
        await asyncio.gather(*(self._children[name].ready.wait() for name in server.after))
        self._waiting.discard(server.name)
        await self._children[server.name].run()

    async def ready(self, *names: str) -> None:
        """Return once the named processes (all, if none is named) have become ready.

        Raises:
            StackError: one of all processes never will.
        """
        waiting = asyncio.create_task(self._all_ready(names or tuple(self._children)))
        try:
            while not waiting.done():
                await asyncio.wait({waiting, *self._alive()}, return_when=asyncio.FIRST_COMPLETED)
                self._raise_failure()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _all_ready(self, names: Sequence[str]) -> None:
        await asyncio.gather(*(self._children[name].ready.wait() for name in names))

    def _alive(self) -> list["asyncio.Task[None]"]:
        return [task for task in self._running.values() if not task.done()]

    def _raise_failure(self) -> None:
        for name, child in self._children.items():
            if child.failed:
                raise child.failed
            running = self._running[name]
            if running.done() and (error := running.exception()):
                raise error

    def start_again(self, name: str) -> None:
        """End one process, gently; it comes back by itself."""
        self._children[name].end()

    def reload(self, name: str) -> None:
        """Tell one process to read its files again."""
        self._children[name].reload()

    async def stop(self) -> None:
        """Stop everything, the highest rank first, equals together; each is waited for, then killed."""
        ordered = sorted(self._children.values(), key=lambda child: -child.server.rank)
        for _, equals in groupby(ordered, key=lambda child: child.server.rank):
            await asyncio.gather(*(self._stop(child) for child in equals))
        self._leash.close()

    async def _stop(self, child: Child) -> None:
        running = self._running[child.server.name]
        if child.server.name in self._waiting:
            running.cancel()  # it waits for one that never became ready
        await child.stop(running)
