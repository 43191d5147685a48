"""The bus of the intelligence plane: server configuration and streams, generated from the identities."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import nats
from nats.js import api
from nats.js.errors import NotFoundError

from activities.adapters.nats import ACK_WAIT_SECONDS, ClientTls
from deploy.accounts import account, consumers, stored_subjects
from deploy.bus import on_the_bus, provisioner
from deploy.identities import Identity
from signals import audit, observations
from signals.subjects import EVIDENCE_BUCKET

MAX_PAYLOAD = 4 << 20
"""Largest message, in bytes: a full alert of 1 MiB, redacted and wrapped, has room."""

GIVEN_UP = (
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
)
"""What the server says when it, or a reader, gives a message up: kept with the dead letters of its account."""

_MIB = 1 << 20
_DAY = 24 * 3600.0
_STREAM_BYTES = {
    "THREATS": 1024 * _MIB,
    "FEED": 512 * _MIB,
    "DEAD": 128 * _MIB,
    "AUDIT": 512 * _MIB,
    "OBSERVED": 256 * _MIB,
    "OBJ": 1024 * _MIB,
}
KEPT_SECONDS = 7 * _DAY
"""How long a stream keeps a message, where nothing else is said."""
_AGES = {"AUDIT": audit.KEPT.total_seconds(), "OBSERVED": observations.KEPT.total_seconds()}
_BUCKET_BYTES = 128 * _MIB
_LARGE_BUCKETS = {EVIDENCE_BUCKET: 1024 * _MIB}


def _room(table: Sequence[Identity]) -> int:
    """Return how many bytes all streams and buckets may take together."""
    return sum(
        sum(_STREAM_BYTES[stream.partition("_")[0]] for stream in identity.streams)
        + sum(_LARGE_BUCKETS.get(bucket, _BUCKET_BYTES) for bucket in identity.buckets)
        for identity in table
    )


def render(
    *,
    port: int,
    store_dir: Path,
    pki_dir: Path,
    host: str = "127.0.0.1",
    monitor_port: int | None = None,
    revoked: Collection[str] = (),
) -> str:
    """Return a nats-server configuration (JSON, which is valid there).

    `revoked` names identities that are let in no more: a server that reads this again cuts them off at once.
    `pki_dir` holds server.crt, server.key and ca.crt, the CA of these clients alone. The monitoring port
    asks nobody for a certificate, so it is bound to loopback.
    """
    table = on_the_bus()
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
            "max_file_store": _room(table) + 256 * _MIB,
            "sync_interval": "always",
        },
        "accounts": {identity.agent: account(identity, revoked) for identity in table},
    }
    if monitor_port is not None:
        configuration["http"] = f"127.0.0.1:{monitor_port}"
    return json.dumps(configuration, indent=2) + "\n"


def _stream(name: str) -> api.StreamConfig:
    """Return a stream's limits: what is full refuses, so that nothing old is lost in silence.

    Only what was merely seen gives way to what is seen now, and a snapshot to the next one.
    """
    kind = name.partition("_")[0]
    kept = kind != "FEED"
    return api.StreamConfig(
        name=name,
        subjects=[stored_subjects(name), *(GIVEN_UP if kind == "DEAD" else ())],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS if kept else api.RetentionPolicy.WORK_QUEUE,
        discard=api.DiscardPolicy.OLD if kind in ("OBSERVED", "OBJ") else api.DiscardPolicy.NEW,
        max_bytes=_STREAM_BYTES[kind],
        max_age=_AGES.get(kind, KEPT_SECONDS),
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
        max_bytes=_LARGE_BUCKETS.get(name, _BUCKET_BYTES),
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
    for identity in on_the_bus():
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
    for stream_name, durable in consumers(identity):
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
