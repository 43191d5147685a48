"""Nothing is left running when the supervisor dies, even by `kill -9`.

On Linux the kernel does it: every child asks for SIGKILL when the thread that made it ends. Elsewhere this
module is also a small process of its own, whose standard input is a pipe from the supervisor: when the pipe
ends, it kills what it was told of.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

PR_SET_PDEATHSIG = 1
KERNEL_DOES_IT = sys.platform == "linux"


class Leash:
    """Ties children to this process."""

    def __init__(self, *, by_kernel: bool = KERNEL_DOES_IT) -> None:
        """Start the watching process where the kernel does not do its work."""
        self._watcher = None if by_kernel else _watcher()

    @property
    def in_child(self) -> Callable[[], None] | None:
        """What a child runs between fork and exec."""
        return None if self._watcher else _dying_with(os.getpid())

    def hold(self, pid: int) -> None:
        """Tie a child that was just started."""
        self._tell(f"+{pid}")

    def release(self, pid: int) -> None:
        """Let go of a child that has ended: its number may be somebody else's soon."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """End the watching process; what is still tied is killed."""
        if self._watcher and self._watcher.stdin:
            self._watcher.stdin.close()
            self._watcher.wait()

    def _tell(self, line: str) -> None:
        if self._watcher and self._watcher.stdin:
            self._watcher.stdin.write(f"{line}\n".encode())
            self._watcher.stdin.flush()


def _dying_with(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and here: no signal will come
            os._exit(1)

    return ask_the_kernel


def _watcher() -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-m", "workers.stack.leash")
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603  # our own


def watch(lines: Iterable[str]) -> None:
    """Read `+pid` and `-pid` lines to their end, then kill what is still tied."""
    tied: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        if line.startswith("+"):
            tied.add(pid)
        else:
            tied.discard(pid)
    for pid in tied:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    watch(sys.stdin)
