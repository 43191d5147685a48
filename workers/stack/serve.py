"""A stack that stays: in the foreground until it is told to stop, or detached from the terminal that began it."""

import asyncio
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from signals.errors import StackError
from workers import settings
from workers.stack import agents, state
from workers.stack.building import resolved
from workers.stack.layout import Layout
from workers.stack.options import Options
from workers.stack.progress import OnProgress, unheard
from workers.stack.run import Stack

PAUSE = 0.1
DETACHED_PATIENCE = 300.0
"""Seconds that a detached supervisor may take; the control plane is built before it is started."""
LOG_TAIL = 15


async def foreground(
    options: Options,
    on_progress: OnProgress = unheard,
    on_ready: Callable[[state.Status], None] = lambda _: None,
) -> None:
    """Run a stack until SIGINT or SIGTERM, also while it starts.

    Raises:
        FirebreakError: it could not be started.
    """
    # nats-py over TLS draws a warning from asyncio at every end of a connection; it says nothing to anybody.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    stack = Stack(options, on_progress)
    entering = asyncio.create_task(stack.__aenter__())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({entering, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not entering.done():
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        return
    await entering
    try:
        on_ready(stack.status)
        await waiting
    finally:
        await stack.__aexit__(None, None, None)


async def detached(options: Options, on_progress: OnProgress = unheard) -> state.Status:
    """Start a supervisor of its own session and return the status once it is ready.

    Raises:
        StackError: it ended, or was not ready in time; the text has the end of its log.
    """
    layout = Layout(options.state_dir.absolute())
    if (holder := state.supervisor(layout.root)) is not None:
        raise state.already_runs(layout.root, holder)
    await resolved(options, on_progress)
    process = await asyncio.to_thread(_spawn, options, layout)
    deadline = time.monotonic() + DETACHED_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError(f"the stack ended with {process.returncode}: {_tail(layout)}")
        status = state.read(layout.root)
        if status.ready and state.supervisor(layout.root) == process.pid:
            process.returncode = 0  # let go of it: it is meant to outlive us
            return status
        await asyncio.sleep(PAUSE)
    process.terminate()
    raise StackError(f"the stack was not ready after {DETACHED_PATIENCE:.0f} s: {_tail(layout)}")


def _spawn(options: Options, layout: Layout) -> "subprocess.Popen[bytes]":
    layout.make()
    command = (sys.executable, "-P", "-m", "workers.stack", options.model_dump_json())
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=agents.environment(settings.inherited()),
        )


def _tail(layout: Layout) -> str:
    try:
        lines = layout.log("supervisor").read_text(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        lines = []
    return "\n  ".join([f"the end of {layout.log('supervisor')} says", *lines])
