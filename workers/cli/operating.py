"""How a command reaches NATS as the operator: the embedded stack's, or one that options name."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.cli.target import running
from workers.cli.verb import state_dir

if TYPE_CHECKING:
    from signals.audit import Kind
    from workers.bus import Bus


def nats_arguments(parser: ArgumentParser) -> None:
    """Add the options that name a NATS other than the embedded stack's."""
    group = parser.add_argument_group("your own NATS, instead of the embedded stack's")
    group.add_argument("--nats", metavar="URL", help="NATS, as tls://host:port")
    group.add_argument(
        "--nats-dir", metavar="DIR", type=Path, help="folder with ca.crt, operator.crt and operator.key"
    )


@asynccontextmanager
async def operating(options: Namespace) -> "AsyncIterator[Bus]":
    """Connect as the operator.

    Raises:
        StackError: no stack runs, and no NATS is named.
        SettingsInvalid: there is no certificate of the operator.
        Unavailable: NATS did not let us in.
    """
    from signals.subjects import OPERATOR
    from workers.bus import Bus
    from workers.settings import Settings
    from workers.stack.layout import Layout

    url = options.nats or running(state_dir(options)).endpoints.nats
    folder = options.nats_dir or Layout(state_dir(options).absolute()).nats
    with _quiet():
        bus = await Bus.connect(Settings(nats_url=url, nats_dir=folder), OPERATOR)
        try:
            yield bus
        finally:
            await bus.close()


async def record(options: Namespace, bus: "Bus", kind: "Kind", body: dict[str, Any]) -> None:
    """Tell the audit record what the operator did, under the operator's own key; that it cannot be told is said."""
    from getpass import getuser

    from signals.entities import ClusterRef
    from signals.envelope import Envelope, Signer
    from signals.errors import FirebreakError
    from signals.subjects import OPERATOR, ORCHESTRATOR, audit_stream
    from workers.audit import Audit
    from workers.cli.output import note
    from workers.stack.layout import Layout

    key = Layout(state_dir(options).absolute()).keys / f"{OPERATOR}.key"
    try:
        signer = Signer.from_pem(OPERATOR, key.read_bytes())
        cluster = ClusterRef(name="unknown", uid="unknown")
        async for stored in bus.newest(audit_stream(ORCHESTRATOR), owner=ORCHESTRATOR):
            cluster = Envelope.model_validate_json(stored.data).cluster
            break
        await Audit(bus, signer, cluster, "0").append(kind, {"by": getuser(), **body})
    except (OSError, ValueError, FirebreakError) as error:
        note(f"This is not on the audit record: {error}.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of what the connection logs: the terminal is the person's."""
    import structlog

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio_log = logging.getLogger("asyncio")
    level = asyncio_log.level
    asyncio_log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        structlog.configure(**before)
        asyncio_log.setLevel(level)
