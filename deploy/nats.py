"""The bus of the intelligence plane: server configuration and streams, generated from the identities.

One account per agent holds its streams, so that neither a reply subject, a message id nor a rollup header can
reach another agent's data. The orchestrator reads a detecting agent's threats through three exported subjects.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nats
from nats.js import api
from nats.js.errors import NotFoundError

from activities.adapters.nats import ACK_WAIT_SECONDS, ClientTls
from deploy.identities import FALCOSIDEKICK, Identity, identities, provisioner
from signals.subjects import RUNTIME_GUARDIAN, spiffe_id, threats_api, threats_stream

MAX_PAYLOAD = 4 << 20
"""Largest message, in bytes: a full alert of 1 MiB, redacted and wrapped, has room."""

_MIB = 1 << 20
_DAY = 24 * 3600.0
_STREAM_BYTES = {"THREATS": 1024 * _MIB, "FEED": 512 * _MIB, "DEAD": 128 * _MIB}
_BUCKET_BYTES = 128 * _MIB


def _consuming(stream: str, durable: str, prefix: str = "$JS.API") -> list[str]:
    """Return the subjects that a pull consumer publishes on."""
    return [
        f"{prefix}.CONSUMER.INFO.{stream}.{durable}",
        f"{prefix}.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    ]


def _subjects(stream: str) -> str:
    """Return the subjects that one of our streams stores: `THREATS_x` holds `firebreak.threats.x.>`."""
    kind, _, agent = stream.partition("_")
    return f"firebreak.{kind.lower()}.{agent}.>"


def _own(identity: Identity) -> list[str]:
    """Return what an agent may publish inside its own account."""
    allowed: list[str] = []
    for stream in identity.streams:
        allowed += [_subjects(stream), f"$JS.API.STREAM.MSG.GET.{stream}"]
        if stream.startswith("FEED_"):
            allowed += _consuming(stream, identity.agent)
    for bucket in identity.buckets:
        allowed += [f"$KV.{bucket}.>", f"$JS.API.DIRECT.GET.KV_{bucket}", f"$JS.API.DIRECT.GET.KV_{bucket}.>"]
    for owner in identity.reads:
        allowed += _consuming(threats_stream(owner), identity.agent, threats_api(owner))
    return allowed


def _installing(identity: Identity) -> list[str]:
    """Return what an account's provisioner may publish: it creates and updates, and deletes nothing."""
    allowed: list[str] = []
    for stream in [*identity.streams, *(f"KV_{bucket}" for bucket in identity.buckets)]:
        allowed += [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("CREATE", "UPDATE", "INFO")]
    for stream, durable in _consumers(identity):
        allowed += [f"$JS.API.CONSUMER.{verb}.{stream}.{durable}" for verb in ("DURABLE.CREATE", "INFO")]
        allowed += [f"$JS.API.CONSUMER.CREATE.{stream}.{durable}"]
    return allowed


def _consumers(identity: Identity) -> list[tuple[str, str]]:
    """Return every durable consumer of an agent's streams: its own of the feed, its readers' of the threats."""
    feeds = [(stream, identity.agent) for stream in identity.streams if stream.startswith("FEED_")]
    readers = [reader.agent for reader in identities() if identity.agent in reader.reads]
    return feeds + [(threats_stream(identity.agent), reader) for reader in readers]


def _user(name: str, publish: Iterable[str], subscribe: Iterable[str]) -> dict[str, Any]:
    def allow(subjects: Iterable[str]) -> dict[str, list[str]]:
        listed = list(subjects)
        return {"allow": listed} if listed else {"deny": [">"]}

    return {
        "user": spiffe_id(name),
        "allowed_connection_types": ["STANDARD"],
        "permissions": {"publish": allow(publish), "subscribe": allow(subscribe)},
    }


def _account(identity: Identity) -> dict[str, Any]:
    agent, installer = identity.agent, provisioner(identity.agent)
    users = [
        _user(agent, _own(identity), [f"_INBOX.{agent}.>", *identity.listens]),
        _user(installer, _installing(identity), [f"_INBOX.{installer}.>"]),
    ]
    if agent == RUNTIME_GUARDIAN:
        users.append(_user(FALCOSIDEKICK, identity.listens, []))
    exports = [
        {"service": subject, "accounts": [reader.agent], "response_type": "stream"}
        for reader in identities()
        if agent in reader.reads
        for subject in _consuming(threats_stream(agent), reader.agent)
    ]
    imports = [
        {"service": {"account": owner, "subject": subject}, "to": local}
        for owner in identity.reads
        for subject, local in zip(
            _consuming(threats_stream(owner), agent),
            _consuming(threats_stream(owner), agent, threats_api(owner)),
            strict=True,
        )
    ]
    stores = bool(identity.streams or identity.buckets)
    return {
        "jetstream": "enabled" if stores else "disabled",
        "users": users,
        "exports": exports,
        "imports": imports,
    }


def render(
    *, port: int, store_dir: Path, pki_dir: Path, host: str = "127.0.0.1", monitor_port: int | None = None
) -> str:
    """Return a nats-server configuration (JSON, which is valid there).

    `pki_dir` holds server.crt, server.key and ca.crt, the CA of these clients alone. The monitoring port
    asks nobody for a certificate, so it is bound to loopback.
    """
    table = identities()
    room = sum(
        sum(_STREAM_BYTES[stream.partition("_")[0]] for stream in identity.streams)
        + _BUCKET_BYTES * len(identity.buckets)
        for identity in table
    )
    configuration: dict[str, Any] = {
        "server_name": "firebreak-nats",
        "listen": f"{host}:{port}",
        "max_payload": MAX_PAYLOAD,
        "write_deadline": "5s",
        "tls": {
            "cert_file": str(pki_dir / "server.crt"),
            "key_file": str(pki_dir / "server.key"),
            "ca_file": str(pki_dir / "ca.crt"),
            "verify_and_map": True,
            "min_version": "1.3",
            "timeout": 5,
        },
        "jetstream": {
            "store_dir": str(store_dir),
            "max_memory_store": 64 * _MIB,
            "max_file_store": room + 256 * _MIB,
            "sync_interval": "always",
        },
        "accounts": {identity.agent: _account(identity) for identity in table},
    }
    if monitor_port is not None:
        configuration["http"] = f"127.0.0.1:{monitor_port}"
    return json.dumps(configuration, indent=2) + "\n"


def _stream(name: str) -> api.StreamConfig:
    """Return a stream's limits: what is full refuses, so that nothing old is lost in silence."""
    kind = name.partition("_")[0]
    kept = kind != "FEED"
    return api.StreamConfig(
        name=name,
        subjects=[_subjects(name)],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS if kept else api.RetentionPolicy.WORK_QUEUE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=_STREAM_BYTES[kind],
        max_age=7 * _DAY,
        max_msg_size=MAX_PAYLOAD,
        duplicate_window=600.0,
        deny_delete=kept,
        deny_purge=kept,
    )


def _bucket(name: str) -> api.StreamConfig:
    """Return a key-value bucket: one value a key, no rollup header, delete markers that may expire."""
    return api.StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=_BUCKET_BYTES,
        max_msgs_per_subject=1,
        max_msg_size=_MIB,
        duplicate_window=120.0,
        allow_direct=True,
        allow_msg_ttl=True,
        deny_delete=True,
        deny_purge=True,
    )


async def provision(url: str, pki_dir: Path) -> None:
    """Create every stream, bucket and consumer, or bring those of an older store up to date."""
    for identity in identities():
        if not identity.streams and not identity.buckets:
            continue
        name = provisioner(identity.agent)
        client = await nats.connect(
            url,
            tls=ClientTls(pki_dir, name).context,
            name=name,
            inbox_prefix=f"_INBOX.{name}",
            connect_timeout=5,
            max_reconnect_attempts=3,
        )
        try:
            await _provision(client.jetstream(timeout=10), identity)
        finally:
            await client.close()


async def _provision(stream_api: Any, identity: Identity) -> None:
    wanted = [_stream(name) for name in identity.streams] + [_bucket(name) for name in identity.buckets]
    for stream in wanted:
        try:
            await stream_api.stream_info(stream.name)
        except NotFoundError:
            await stream_api.add_stream(stream)
        else:
            await stream_api.update_stream(stream)
    for stream_name, durable in _consumers(identity):
        await stream_api.add_consumer(
            stream_name,
            api.ConsumerConfig(
                durable_name=durable,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_SECONDS,
                max_ack_pending=5000,
                max_deliver=-1,
            ),
        )
