"""The status document: what runs, where, and how to reach it. A stable interface, read without any server."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ValidationError

from signals.errors import StackError
from workers.stack.layout import PRIVATE_DIR, Layout, write_private
from workers.stack.memory import Memory
from workers.stack.room import Room

TRIES, PAUSE = 10, 0.03
"""How often, and how many seconds apart, a lock is tried that others hold for an instant only."""
UNSAID = 0
"""The pid of a supervisor that has the lock and has not yet said who it is."""
LEFTOVER_TRIES, LEFTOVER_PAUSE = 50, 0.1


class Process(BaseModel, frozen=True):
    """One process; `pid` is null while it is down, `restarts` counts how often it had to be started again."""

    name: str
    pid: int | None = None
    ready: bool = False
    restarts: int = 0


class Endpoints(BaseModel, frozen=True):
    """Where the servers are. What does not exist is null."""

    falco: str | None = None
    """URL to POST alerts to."""
    audit: str | None = None
    """URL to POST audit events to."""
    temporal: str | None = None
    """host:port of Temporal's frontend."""
    temporal_namespace: str | None = None
    temporal_ui: str | None = None
    nats: str | None = None
    kubeconfig: str | None = None
    """Path of a kubeconfig with the cluster administrator's rights."""
    audit_log: str | None = None
    metrics: str | None = None
    """URL of the Prometheus text of the whole stack."""


class People(BaseModel, frozen=True):
    """Paths of the kubeconfigs with which people speak."""

    oncall: str | None = None
    lead: str | None = None


class Status(BaseModel, frozen=True):
    """The whole document, as `firebreak status -o json` prints it."""

    ready: bool = False
    """Whether everything serves."""
    state_dir: str
    """The folder of the stack."""
    processes: tuple[Process, ...] = ()
    """Each with `name`, `pid`, `ready`, `restarts`."""
    endpoints: Endpoints = Endpoints()
    """Where to reach what: `falco`, `audit`, `temporal`, `temporal_namespace`, `temporal_ui`, `nats`, `kubeconfig`,
    `audit_log`, `metrics`."""
    falco_token_file: str | None = None
    """File with the bearer token for alerts."""
    falco_ca_file: str | None = None
    """Authority that signed the alert receiver's certificate."""
    dead_letters: dict[str, int] | None = None
    """How many messages each agent could not handle and keeps; null where NATS does not answer."""
    room: Room | None = None
    """Of `stores` their `server`, `path`, `free_bytes`, `size_bytes`; of `streams` the share of their limit."""
    context_store: Memory | None = None
    """What it remembers: `objects`, `versions`, `gaps`, `lag_seconds`, `broken`; null for none."""
    people: People = People()
    """Kubeconfigs of `oncall` and `lead`."""
    stopped: str | None = None
    """Who stopped Firebreak, and why; null if nobody did, or nobody can be asked."""
    filters: dict[str, str] = {}
    """Links to lists of incidents in Temporal's UI, by what they list."""
    attention: tuple[str, ...] = ()
    """What the agents that serve want a person to see to, like a policy that waits for its approval."""

    def has(self, name: str) -> bool:
        """Say whether this stack has a process of this name."""
        return any(process.name == name for process in self.processes)

    def process(self, name: str) -> Process:
        """Return one process by name.

        Raises:
            StackError: this stack has no such process.
        """
        for process in self.processes:
            if process.name == name:
                return process
        raise StackError(f"this stack has no process {name!r}")


def read(state_dir: Path) -> Status:
    """Return the status of a stack as it is now: what died without a word is not ready.

    Raises:
        StackError: the document is there and cannot be read.
    """
    layout = Layout(state_dir.absolute())
    try:
        document = Status.model_validate_json(layout.status.read_bytes())
    except FileNotFoundError:
        return Status(state_dir=str(layout.root))
    except (OSError, ValidationError) as error:
        raise StackError(f"{layout.status} cannot be read: {error}") from error
    supervised = supervisor(state_dir) is not None
    processes = tuple(
        process if supervised and alive(process.pid) else process.model_copy(update=DOWN)
        for process in document.processes
    )
    ready = document.ready and all(process.ready for process in processes)
    return document.model_copy(update={"processes": processes, "ready": ready})


DOWN = {"pid": None, "ready": False}


def write(layout: Layout, status: Status) -> None:
    """Put a new document in the place of the old one, in one step."""
    write_private(layout.status, status.model_dump_json(indent=2).encode())


def alive(pid: int | None) -> bool:
    """Say whether a process with this id exists."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def supervisor(state_dir: Path) -> int | None:
    """Return the pid of the supervisor that holds this state folder, or None if none does."""
    for _ in range(TRIES):
        pid = _holder(Layout(state_dir.absolute()).lock)
        if pid != UNSAID:
            return pid
        time.sleep(PAUSE)
    return UNSAID


def _holder(lock: Path) -> int | None:
    try:
        file = lock.open("r")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            written = file.read().strip()
            return int(written) if written.isdigit() else UNSAID
    return None


def leftovers(layout: Layout) -> tuple[Process, ...]:
    """Return what still runs of a stack whose supervisor is gone, found by /proc: on Linux only."""
    try:
        document = Status.model_validate_json(layout.status.read_bytes())
    except (OSError, ValidationError):
        return ()
    return tuple(process for process in document.processes if _ours(process.pid, layout))


def no_leftovers(layout: Layout) -> None:
    """Return once nothing of an earlier run is left; a killed supervisor's children need a moment to end.

    Raises:
        StackError: something stays.
    """
    left = leftovers(layout)
    for _ in range(LEFTOVER_TRIES):
        if not left:
            return
        time.sleep(LEFTOVER_PAUSE)
        left = leftovers(layout)
    names = ", ".join(f"{process.name} (pid {process.pid})" for process in left)
    raise StackError(f"an earlier stack on {layout.root} left {names}; `firebreak down` ends them")


def _ours(pid: int | None, layout: Layout) -> bool:
    """Say whether a process was started for this state folder: its number may be somebody else's by now."""
    if not alive(pid):
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return str(layout.root).encode() in command


def already_runs(root: Path, pid: int | None) -> StackError:
    """Return the error of a second start on one state folder."""
    return StackError(
        f"a stack already runs on {root} (supervisor pid {pid}); "
        f"stop it with `firebreak down --state {root}` or choose another --state"
    )


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the state folder: one supervisor at a time. The kernel lets go of it when we die.

    Raises:
        StackError: another supervisor holds it, or the folder cannot be written.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        file = layout.lock.open("a+")
    except OSError as error:
        raise StackError(f"the state folder {layout.root} cannot be written: {error}") from error
    with file:
        if not _taken(file):
            raise already_runs(layout.root, supervisor(layout.root))
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def _taken(file: TextIO) -> bool:
    """Take the lock; a reader of the status may hold it for an instant."""
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        else:
            return True
    return False
