"""Supervision of processes, on small programs that behave as servers may."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signals.errors import StackError
from workers.stack import health
from workers.stack.layout import Layout
from workers.stack.process import Server
from workers.stack.state import Process
from workers.stack.supervisor import Supervisor

SERVES = """
import pathlib, signal, sys, time
ready, diary, name = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
def stop(*_):
    with diary.open("a") as book: book.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
ready.touch()
while True: time.sleep(60)
"""
FAILS = "import sys; print('the disk is full'); sys.exit(3)"
HANGS = "import time; time.sleep(600)"
DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True: time.sleep(60)
"""


def nothing() -> None:
    pass


Make = Callable[..., Server]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.make()
    return made


@pytest.fixture
def make(layout: Layout) -> Make:
    def program(
        name: str, code: str = SERVES, *, rank: int = 0, after: tuple[str, ...] = (), patience: float = 30
    ) -> Server:
        ready = layout.ready / name
        return Server(
            name=name,
            command=(sys.executable, "-c", code, str(ready), str(layout.root / "diary"), name),
            probe=health.file(ready),
            before=lambda: ready.unlink(missing_ok=True),
            after=after,
            rank=rank,
            patience=patience,
            environment={"PATH": os.defpath},
        )

    return program


@asynccontextmanager
async def supervised(layout: Layout, *servers: Server) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(layout, nothing)
    supervisor.add(servers)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come to hold within 20 s")


async def test_a_process_that_dies_is_started_again_and_counted(layout: Layout, make: Make) -> None:
    async with supervised(layout, make("etcd")) as supervisor:
        await supervisor.ready()
        first = supervisor.processes[0]
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: supervisor.processes[0].restarts == 1 and supervisor.processes[0].ready)
        assert supervisor.processes[0].pid not in (None, first.pid)
    assert supervisor.processes[0] == Process(name="etcd", restarts=1)


async def test_a_process_is_started_only_when_those_before_it_serve(layout: Layout, make: Make) -> None:
    hanging = make("etcd", HANGS)
    async with supervised(layout, hanging, make("apiserver", after=("etcd",))) as supervisor:
        await until(lambda: supervisor.processes[0].pid is not None)
        await asyncio.sleep(0.2)
        assert supervisor.processes[1].pid is None
        (layout.ready / "etcd").touch()
        await supervisor.ready()


async def test_stopping_goes_from_the_highest_rank_down(layout: Layout, make: Make) -> None:
    servers = [make("nats", rank=1), make("agent", rank=6), make("etcd", rank=2), make("apiserver", rank=3)]
    async with supervised(layout, *servers) as supervisor:
        await supervisor.ready()
    assert (layout.root / "diary").read_text().split() == ["agent", "apiserver", "etcd", "nats"]


async def test_a_process_that_cannot_start_ends_the_start_with_its_last_words(
    layout: Layout, make: Make
) -> None:
    async with supervised(layout, make("etcd", FAILS), make("nats")) as supervisor:
        with pytest.raises(StackError, match=r"(?s)etcd ended with 3.*the disk is full"):
            await supervisor.ready()


async def test_a_process_that_never_serves_ends_the_start_in_time(layout: Layout, make: Make) -> None:
    async with supervised(layout, make("etcd", HANGS, patience=0.3)) as supervisor:
        with pytest.raises(StackError, match="etcd was not ready after 0 s"):
            await supervisor.ready()


async def test_a_program_that_is_not_there_is_said(layout: Layout) -> None:
    absent = Server(name="etcd", command=("/nowhere/etcd",), probe=health.file(layout.ready / "etcd"), rank=0)
    async with supervised(layout, absent) as supervisor:
        with pytest.raises(StackError, match="etcd cannot be started"):
            await supervisor.ready()


async def test_a_process_that_does_not_listen_is_killed(
    layout: Layout, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.process.STOP_PATIENCE", 0.3)
    async with supervised(layout, make("etcd", DEAF)) as supervisor:
        await supervisor.ready()
        pid = supervisor.processes[0].pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_stack_can_be_stopped_while_it_waits_for_a_server(layout: Layout, make: Make) -> None:
    async with supervised(layout, make("etcd", HANGS), make("apiserver", after=("etcd",))) as supervisor:
        await until(lambda: supervisor.processes[0].pid is not None)
    assert {process.pid for process in supervisor.processes} == {None}


async def test_a_log_that_has_grown_is_set_aside(
    layout: Layout, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.process.LOG_BYTES", 10)
    layout.log("etcd").write_text("a long story\n")
    async with supervised(layout, make("etcd")) as supervisor:
        await supervisor.ready()
    assert layout.log("etcd").with_suffix(".log.1").read_text() == "a long story\n"
