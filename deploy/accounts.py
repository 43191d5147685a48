"""NATS accounts, generated from the identities: what each agent may say, hear, store and ask.

One account per agent holds its streams, so that neither a reply subject, a message id nor a rollup header can
reach another agent's data. The orchestrator reads a detecting agent's threats through three exported subjects;
what an agent serves is exported to the accounts that may ask, and to no other.
"""

from collections.abc import Collection, Iterable
from typing import Any

from deploy.bus import FALCOSIDEKICK, on_the_bus, provisioner
from deploy.identities import Identity, identities
from signals.subjects import (
    CAPTURER,
    EVIDENCE_BUCKET,
    EVIDENCE_READER,
    RUNTIME_GUARDIAN,
    serving_agent,
    spiffe_id,
    threats_api,
    threats_stream,
)

ANSWERS = "_R_.>"
"""Where the server puts the answers to another account's questions. Narrower than `allow_responses`, which
lets whoever sends a message name the subject that its receiver may publish on."""
ANSWER_WITHIN = "5m"
"""After this the server forgets a question, and its answer goes nowhere."""


def _consuming(stream: str, durable: str, prefix: str = "$JS.API") -> list[str]:
    """Return the subjects that a pull consumer publishes on."""
    return [
        f"{prefix}.CONSUMER.INFO.{stream}.{durable}",
        f"{prefix}.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    ]


def stored_subjects(stream: str) -> str:
    """Return the subjects that a stream of ours stores: `THREATS_x` holds `firebreak.threats.x.>`.

    `OBJ_x` is an object store, whose subjects every NATS client knows.
    """
    kind, _, agent = stream.partition("_")
    if kind == "OBJ":
        return f"$O.{agent}.>"
    return f"firebreak.{kind.lower()}.{agent}.>"


def _own(identity: Identity) -> list[str]:
    """Return what an agent may publish inside its own account."""
    allowed: list[str] = []
    for stream in identity.streams:
        allowed += [stored_subjects(stream), f"$JS.API.STREAM.MSG.GET.{stream}"]
        if stream.startswith("FEED_"):
            allowed += _consuming(stream, identity.agent)
    for bucket in identity.buckets:
        allowed += [f"$KV.{bucket}.>", f"$JS.API.DIRECT.GET.KV_{bucket}", f"$JS.API.DIRECT.GET.KV_{bucket}.>"]
    for owner in identity.reads:
        allowed += _consuming(threats_stream(owner), identity.agent, threats_api(owner))
    for stream in identity.inspects:
        allowed += _inspecting(stream, threats_api(owner_of(stream)))
    allowed += [stored_subjects(stream) for stream in identity.returns_to]
    return allowed + list(identity.asks) + ([ANSWERS] if identity.serves else [])


def _inspecting(stream: str, prefix: str = "$JS.API") -> list[str]:
    """Return the subjects that reading a stream message by message publishes on."""
    return [f"{prefix}.STREAM.INFO.{stream}", f"{prefix}.STREAM.MSG.GET.{stream}"]


def owner_of(stream: str) -> str:
    """Return the agent whose stream this is."""
    return stream.partition("_")[2]


def _installing(identity: Identity) -> list[str]:
    """Return what an account's provisioner may publish: it creates and updates, and deletes nothing."""
    allowed: list[str] = []
    for stream in [*identity.streams, *(f"KV_{bucket}" for bucket in identity.buckets)]:
        allowed += [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("CREATE", "UPDATE", "INFO")]
    for stream, durable in consumers(identity):
        allowed += [f"$JS.API.CONSUMER.{verb}.{stream}.{durable}" for verb in ("DURABLE.CREATE", "INFO")]
        allowed += [f"$JS.API.CONSUMER.CREATE.{stream}.{durable}"]
    return allowed


def consumers(identity: Identity) -> list[tuple[str, str]]:
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


def account(identity: Identity, revoked: Collection[str] = ()) -> dict[str, Any]:
    """Return one agent's account: its users, what others may ask of it, what it may ask of others.

    Who is revoked is no user; what it has stored stays.
    """
    agent, installer = identity.agent, provisioner(identity.agent)
    users = [
        _user(agent, _own(identity), [f"_INBOX.{agent}.>", *identity.listens, *identity.serves]),
        _user(installer, _installing(identity), [f"_INBOX.{installer}.>"]),
    ]
    if agent == RUNTIME_GUARDIAN:
        users.append(_user(FALCOSIDEKICK, identity.listens, []))
    if agent == CAPTURER:
        kept = f"$JS.API.DIRECT.GET.KV_{EVIDENCE_BUCKET}"
        users.append(_user(EVIDENCE_READER, [kept, f"{kept}.>"], [f"_INBOX.{EVIDENCE_READER}.>"]))
    stores = bool(identity.streams or identity.buckets)
    return {
        "jetstream": "enabled" if stores else "disabled",
        "users": [user for user in users if user["user"] not in {spiffe_id(name) for name in revoked}],
        "exports": _exports(identity),
        "imports": _imports(identity),
    }


def _exports(identity: Identity) -> list[dict[str, Any]]:
    """Return what other accounts may call in this one, each named with those that may."""
    agent, table = identity.agent, on_the_bus()
    threats = [
        {"service": subject, "accounts": [reader.agent], "response_type": "stream"}
        for reader in table
        if agent in reader.reads
        for subject in _consuming(threats_stream(agent), reader.agent)
    ]
    callers: dict[str, list[str]] = {}
    for other in table:
        called = [subject for subject in other.asks if subject in identity.serves]
        called += [
            subject for name in other.inspects if name in identity.streams for subject in _inspecting(name)
        ]
        called += [stored_subjects(name) for name in other.returns_to if name in identity.streams]
        for subject in called:
            callers.setdefault(subject, []).append(other.agent)
    services = [
        {"service": subject, "accounts": accounts, "response_threshold": ANSWER_WITHIN}
        for subject, accounts in callers.items()
    ]
    return threats + services


def _imports(identity: Identity) -> list[dict[str, Any]]:
    """Return what this account calls in others."""
    consumed = [
        (owner, subject, local)
        for owner in identity.reads
        for subject, local in zip(
            _consuming(threats_stream(owner), identity.agent),
            _consuming(threats_stream(owner), identity.agent, threats_api(owner)),
            strict=True,
        )
    ]
    inspected = [
        (owner_of(stream), subject, local)
        for stream in identity.inspects
        for subject, local in zip(
            _inspecting(stream), _inspecting(stream, threats_api(owner_of(stream))), strict=True
        )
    ]
    called = [(serving_agent(subject), subject) for subject in identity.asks]
    called += [(owner_of(stream), stored_subjects(stream)) for stream in identity.returns_to]
    return [
        *(
            {"service": {"account": owner, "subject": subject}, "to": local}
            for owner, subject, local in [*consumed, *inspected]
        ),
        *({"service": {"account": owner, "subject": subject}} for owner, subject in called),
    ]
