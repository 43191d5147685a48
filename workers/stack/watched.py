"""A long command, watched: its progress is told by counting the lines that it says."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from signals.errors import StackError
from workers.stack.leash import Leash
from workers.stack.progress import OnProgress, Progress

TOLD_EVERY = 1.0
"""Seconds between two words of progress."""
TRUSTED_SHARE = 0.2
"""Below this share of the whole, what was counted says less about its length than experience does."""
TAIL = 20


@dataclass(frozen=True, kw_only=True)
class Count:
    """What is done, which lines count, how many there will be, and how many seconds it took elsewhere."""

    phase: str
    counts: Callable[[str], bool]
    total: int = 0
    experience: float | None = None

    def progress(self, elapsed: float, done: int) -> Progress:
        """Return where it stands. What was done before and is not said again only makes it end early."""
        estimate = self.experience
        if self.total and done > TRUSTED_SHARE * self.total:
            estimate = elapsed * max(1.0, self.total / done)
        if estimate is not None:
            estimate = max(estimate, elapsed)
        return Progress(phase=self.phase, elapsed=elapsed, estimate=estimate)


async def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    count: Count,
    on_progress: OnProgress,
) -> int:
    """Run a command to its end and return how many of its lines counted.

    Raises:
        StackError: it cannot be started or fails; the text has the end of what it said.
    """
    leash = Leash()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=leash.in_child,
        )
    except OSError as error:
        raise StackError(f"{command[0]} cannot be started: {error}") from error
    leash.hold(process.pid)
    try:
        lines = await _followed(process, count, on_progress)
        code = await process.wait()
    finally:
        if process.returncode is None:  # we are cancelled: end also what it has started
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        leash.close()
    if code != 0:
        said = "\n  ".join(lines[-TAIL:])
        raise StackError(f"{count.phase} failed: {' '.join(command[:3])} ended with {code}:\n  {said}")
    return sum(map(count.counts, lines))


async def _followed(process: asyncio.subprocess.Process, count: Count, on_progress: OnProgress) -> list[str]:
    began, done = time.monotonic(), 0
    lines: list[str] = []
    output = process.stdout or asyncio.StreamReader()
    on_progress(count.progress(0.0, 0))
    told = began
    while True:
        try:
            line = await asyncio.wait_for(output.readline(), TOLD_EVERY)
            if not line:
                return lines
            lines.append(line.decode(errors="replace").rstrip())
            done += count.counts(lines[-1])
        except TimeoutError:
            pass  # it thinks; people are told so all the same
        if (now := time.monotonic()) - told >= TOLD_EVERY:
            told = now
            on_progress(count.progress(now - began, done))
