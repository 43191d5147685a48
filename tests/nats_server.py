"""A real nats-server with the shipped configuration and fresh certificates, for one test module."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.bus import client_certificates
from deploy.nats import provision, render
from workers.bus import Bus
from workers.settings import Settings
from workers.stack.leash import Leash
from workers.stack.pki import SERVER, Authority, Subject

BINARY = Path(sys.executable).with_name("nats-server")


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class NatsServer:
    """One server and its folder. It keeps port and store over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = folder / "pki"
        self.pki.mkdir()
        authority = Authority(self.pki, "ca")
        server = Subject(name="nats", hosts=("localhost",), addresses=("127.0.0.1",), usages=(SERVER,))
        authority.issue(self.pki, "server", server)
        for name, uri in client_certificates().items():
            authority.issue(self.pki, name, Subject(name=name, uris=(uri,)))
        self.authority = authority
        self.port, self.monitor_port = free_port(), free_port()
        self.url = f"tls://127.0.0.1:{self.port}"
        self.configuration = folder / "nats.conf"
        self.configuration.write_text(
            render(
                port=self.port,
                store_dir=folder / "store",
                pki_dir=self.pki,
                monitor_port=self.monitor_port,
            )
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.folder / "nats.log").open("ab")
        command = (str(BINARY), "-c", str(self.configuration))
        self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=Leash().in_child)
        log.close()
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "nats.log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError("nats-server did not listen within 15 s")

    def monitor(self, path: str) -> dict[str, Any]:
        """Return what the monitoring port says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/{path}", timeout=5) as response:
            found: dict[str, Any] = json.loads(response.read())
        return found

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@contextmanager
def serving(folder: Path) -> Iterator[NatsServer]:
    server = NatsServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One provisioned server for all tests of a module."""
    with serving(tmp_path_factory.mktemp("nats")) as server:
        asyncio.run(provision(server.url, server.pki))
        yield server


@asynccontextmanager
async def connected(server: NatsServer, agent: str) -> AsyncIterator[Bus]:
    """Connect as one agent, as its process does."""
    bus = await Bus.connect(Settings(nats_url=server.url, nats_dir=server.pki), agent)
    try:
        yield bus
    finally:
        await bus.close()
