"""Who has an account or a certificate on the bus besides the agents: people, installers, Falcosidekick."""

from collections.abc import Mapping

from deploy.identities import Identity, identities
from signals.subjects import (
    CHANNELS,
    EVIDENCE_READER,
    EXCEPTIONS,
    LIAISON,
    OPERATOR,
    ORCHESTRATOR,
    REPLAYS_BUCKET,
    VERDICTS,
    audit_stream,
    service_subject,
    spiffe_id,
)

FALCOSIDEKICK = "falcosidekick"
"""NATS identity of a Falcosidekick beside the Runtime Guardian."""


def operator() -> Identity:
    """Return the identity of whoever runs Firebreak: it sees every stream, and puts dead letters back."""
    streams = [stream for row in identities() for stream in row.streams]
    return Identity(
        agent=OPERATOR,
        streams=(audit_stream(OPERATOR),),
        buckets=(REPLAYS_BUCKET,),
        asks=(
            service_subject(ORCHESTRATOR, EXCEPTIONS),
            service_subject(LIAISON, VERDICTS),
            service_subject(LIAISON, CHANNELS),
        ),
        inspects=tuple(streams),
        returns_to=tuple(stream for stream in streams if stream.startswith(("THREATS_", "FEED_"))),
    )


def on_the_bus() -> tuple[Identity, ...]:
    """Return everybody who has an account at NATS."""
    return (*identities(), operator())


def provisioner(agent: str) -> str:
    """Return the NATS identity that creates one agent's streams at install time; no process runs as it."""
    return f"provisioner-{agent}"


def client_certificates() -> Mapping[str, str]:
    """Return the name of every NATS client certificate and the one URI SAN it must hold."""
    agents = [identity.agent for identity in on_the_bus()]
    names = [*agents, *(provisioner(agent) for agent in agents), FALCOSIDEKICK, EVIDENCE_READER]
    return {name: spiffe_id(name) for name in names}
