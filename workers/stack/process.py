"""One server or agent as a child process: started, found ready, started again when it dies, stopped."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from signals.errors import FirebreakError, StackError
from workers.stack.leash import Leash
from workers.stack.state import Process

PROBE_PAUSE = 0.05
LIVENESS_PAUSE = 5.0
STOP_PATIENCE = 15.0
BACKOFF_FIRST, BACKOFF_MOST = 0.1, 5.0
HEALTHY_AFTER = 10.0
"""Seconds after which a process that dies is no longer held to be in a crash loop."""
FALSE_STARTS = 3
"""How often a process may end before it was ever ready; then the stack gives up on it."""
LOG_BYTES = 10 << 20
"""Above this a log is set aside (one old file is kept) when its process is started."""
LOG_TAIL = 15


async def nothing() -> None:
    """Do nothing: the preparation of a server that needs none."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """What to run, and how to know that it serves. Seconds everywhere."""

    name: str
    command: tuple[str, ...]
    probe: Callable[[], Awaitable[bool]]
    """Says whether it answers; may raise `OSError` or `FirebreakError` for no."""
    prepare: Callable[[], Awaitable[None]] = nothing
    """Run each time that it answers after a start, before others are told that it is ready."""
    before: Callable[[], None] = lambda: None
    """Run before each start."""
    after: tuple[str, ...] = ()
    """Names of those that must be ready first."""
    rank: int
    """Stopping goes from the highest rank down, equals together."""
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 120.0
    niceness: int = 0
    """How far it gives way to the others where the processor is short, as `nice` counts it."""


class Child:
    """One supervised process."""

    def __init__(self, server: Server, log: Path, leash: Leash, on_change: Callable[[], None]) -> None:
        """Supervise `server`; `on_change` is called whenever `state` has changed."""
        self.server = server
        self.state = Process(name=server.name)
        self.ready = asyncio.Event()
        self.failed: StackError | None = None
        self._log = log
        self._leash = leash
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._ever_ready = False
        self._last_no = ""

    async def run(self) -> None:
        """Keep it running until `stop`. Returns early, with `failed` set, if it never becomes ready at all."""
        backoff = BACKOFF_FIRST
        for life in range(1, sys.maxsize):
            began = time.monotonic()
            try:
                code = await self._live()
            except StackError as error:
                self.failed = error
                break
            self.ready.clear()
            if not self._stopping.is_set() and not self._ever_ready and life >= FALSE_STARTS:
                self.failed = StackError(f"{self.server.name} ended with {code}: {self._last_words()}")
            if self._stopping.is_set() or self.failed:
                break
            backoff = BACKOFF_FIRST if time.monotonic() - began > HEALTHY_AFTER else backoff
            self._change(pid=None, ready=False, restarts=self.state.restarts + 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff)
            backoff = min(backoff * 2, BACKOFF_MOST)
        self._change(pid=None, ready=False)

    async def stop(self, running: "asyncio.Task[None]") -> None:
        """End it: asked first, killed when it does not listen."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({running}, timeout=STOP_PATIENCE)
        if not done:
            self._signal(signal.SIGKILL)
        await asyncio.gather(running, return_exceptions=True)

    def end(self) -> None:
        """Ask the process to end; it is started again."""
        self._signal(signal.SIGTERM)

    def reload(self) -> None:
        """Ask the process to read its files again, as SIGHUP does with servers."""
        self._signal(signal.SIGHUP)

    async def _live(self) -> int:
        """Live through one life of the process, from start to end; return its exit code."""
        process = await self._start()
        watching = asyncio.create_task(self._watch())
        try:
            return await process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._leash.release(process.pid)
            self._process = None

    async def _start(self) -> asyncio.subprocess.Process:
        self.server.before()
        _set_aside(self._log)
        with self._log.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.server.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(self.server.environment),
                    start_new_session=True,
                    preexec_fn=_first(self._leash.in_child, self.server.niceness),
                )
            except OSError as error:
                raise StackError(f"{self.server.name} cannot be started: {error}") from error
        self._leash.hold(process.pid)
        self._process = process
        self._change(pid=process.pid, ready=False)
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        return process

    async def _watch(self) -> None:
        """Find it ready, then look from time to time whether it still answers; end one that never does."""
        deadline = time.monotonic() + self.server.patience
        while not await self._answers(prepare=True):
            if time.monotonic() > deadline:
                self._give_up()
                return
            await asyncio.sleep(PROBE_PAUSE)
        self._ever_ready = True
        self.ready.set()
        self._change(ready=True)
        while True:
            await asyncio.sleep(LIVENESS_PAUSE)
            self._change(ready=await self._answers())

    def _give_up(self) -> None:
        if not self._ever_ready:
            self.failed = StackError(
                f"{self.server.name} was not ready after {self.server.patience:.0f} s"
                f"{self._last_no and f' ({self._last_no})'}: {self._last_words()}"
            )
        self._signal(signal.SIGKILL)

    async def _answers(self, *, prepare: bool = False) -> bool:
        try:
            if not await self.server.probe():
                return False
            if prepare:
                await self.server.prepare()
        except (OSError, FirebreakError, TimeoutError) as error:
            self._last_no = str(error)
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _change(self, **fields: object) -> None:
        changed = self.state.model_copy(update=fields)
        if changed != self.state:
            self.state = changed
            self._on_change()

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
        except OSError:
            lines = []
        return "\n  ".join([f"the end of {self._log} says", *lines])


def _first(leash: Callable[[], None] | None, niceness: int) -> Callable[[], None] | None:
    """Return what a child runs between fork and exec."""
    if not niceness:
        return leash

    def in_child() -> None:
        if leash:
            leash()
        os.nice(niceness)

    return in_child


def _set_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
