"""The process whose end ends a node: it makes the namespaces and the control groups, and clears all of it away.

Run as `python -m workers.stack.node.keeper STATE`. When the supervisor dies, also by `kill -9`, the kernel tells
it; when it is killed itself, the kernel kills the node's first process, and with it everything inside.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from workers.stack.leash import PR_SET_PDEATHSIG, Leash
from workers.stack.node.place import Place

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
READY = "ready"


def main(state: str) -> int:
    """Keep a node until we are told to end or it ends; return the exit code."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _end)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # not SIGKILL, which left no time to clear away
    if os.getppid() != parent:
        return 1
    place = Place(Path(state))
    place.sweep()
    place.make()
    place.make_cgroups()
    node = _unshared(place)
    try:
        if not node.stdout or node.stdout.readline().strip() != READY:
            return node.wait() or 1
        place.pid.write_text(str(_first(node.pid)))
        return node.wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _kill(node)
        place.sweep()


def _end(number: int, frame: object) -> NoReturn:
    sys.exit(0)


def _unshared(place: Place) -> "subprocess.Popen[str]":
    ours = (sys.executable, "-P", "-m", "workers.stack.node.inside", str(place.state))
    command = ("unshare", *NAMESPACES, "--propagation", "private", "--fork", "--kill-child", *ours)
    return subprocess.Popen(  # noqa: S603  # the distribution's own, and ourselves
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=Leash().in_child
    )


def _first(pid: int) -> int:
    """Return the node's first process, as the machine counts: the one child of `unshare`."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _kill(node: "subprocess.Popen[str]") -> None:
    with suppress(OSError, IndexError):
        os.kill(_first(node.pid), signal.SIGKILL)
    node.kill()
    node.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
