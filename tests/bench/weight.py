"""What processes weigh: their share of memory (PSS), and the processor time that they have used."""

from pathlib import Path

from tests.bench.machine import descendants, spent
from workers.stack.state import Process

SERVERS = ("temporal", "nats", "etcd", "kube-apiserver", "kube-controller-manager", "kwok")


def pss(pid: int) -> float:
    """Return the MiB of a process and of what it has started; pages that are shared count by their share."""
    return sum(_pss(one) for one in (pid, *descendants(pid)))


def _pss(pid: int) -> float:
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:")) / 1024


def of_each(processes: tuple[Process, ...]) -> dict[str, float]:
    """Return the MiB of each process that runs."""
    return {one.name: pss(one.pid) for one in processes if one.pid}


def of_agents(weights: dict[str, float]) -> float:
    """Return the MiB of all agents together."""
    return sum(mib for name, mib in weights.items() if name not in SERVERS)


def spent_by(processes: tuple[Process, ...]) -> float:
    """Return the processor seconds that processes have used."""
    return sum(spent(one.pid) for one in processes if one.pid)
