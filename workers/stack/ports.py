"""One block of ports per stack, chosen once, so that a restarted server keeps its address.

The block lies below the range from which the kernel takes ports of outgoing connections: otherwise a client
that retries while a server restarts can be given the server's own port. The first port of the block is held
by the supervisor as long as it lives, so two stacks never share a block.
"""

import errno
import json
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from signals.errors import StackError
from workers.stack.layout import write_private

HOST = "127.0.0.1"
FIRST, LAST = 17000, 32000
BLOCK = 40
TRIES = 200

NAMES = (
    "supervisor",
    "temporal",
    "temporal-ui",
    "temporal-metrics",
    "temporal-http",
    "nats",
    "nats-monitor",
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kwok",
    "falco",
    "audit",
    "kube-scheduler",
)
"""What stands in a block, in this order; the agents' metrics follow. Only ever added to at the end."""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack, and the listening socket that keeps others out of the block."""

    base: int
    guard: socket.socket

    def __getitem__(self, name: str) -> int:
        """Return the port of a server."""
        return self.base + NAMES.index(name)

    def metrics(self, position: int) -> int:
        """Return the metrics port of the n-th agent.

        Raises:
            StackError: there are more agents than a block has room for.
        """
        port = self.base + len(NAMES) + position
        if port >= self.base + BLOCK:
            raise StackError(f"a stack has room for {BLOCK - len(NAMES)} agents")
        return port

    def address(self, name: str) -> str:
        """Return `127.0.0.1:port` of a server."""
        return f"{HOST}:{self[name]}"


def reserve(file: Path) -> Ports:
    """Take the block that this stack had before, else another free one, and remember it.

    Raises:
        StackError: no free block was found.
    """
    for base in _candidates(file):
        guard = _listen(base)
        if guard is None:
            continue
        if all(_free(port) for port in range(base + 1, base + BLOCK)):
            write_private(file, json.dumps({"base": base}).encode())
            return Ports(base, guard)
        guard.close()
    raise StackError(f"no {BLOCK} free ports in a row were found on {HOST} between {FIRST} and {LAST}")


def find() -> int:
    """Return the first port of a block that is free just now.

    Raises:
        StackError: no free block was found.
    """
    with tempfile.TemporaryDirectory() as nowhere:
        ports = reserve(Path(nowhere) / "ports.json")
    ports.guard.close()
    return ports.base


def _candidates(file: Path) -> Iterator[int]:
    remembered = _remembered(file)
    if remembered is not None:
        yield remembered
    for _ in range(TRIES):
        yield FIRST + BLOCK * secrets.randbelow((LAST - FIRST) // BLOCK)


def _remembered(file: Path) -> int | None:
    """Return the block of an earlier run; a file that somebody edited is as good as none."""
    try:
        return int(json.loads(file.read_bytes())["base"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listen(port: int) -> socket.socket | None:
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
        taken.listen()
    except OSError as error:
        taken.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise StackError(f"cannot listen on {HOST}: {error}") from error
        return None
    return taken


def _free(port: int) -> bool:
    probe = _listen(port)
    if probe is None:
        return False
    probe.close()
    return True
