"""Envelopes on a real NATS: who is believed, how a chain goes on, and what a gap looks like."""

import json
import uuid
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.nats import provision
from signals.entities import ClusterRef, Entity
from signals.envelope import Envelope, Signer, Trust, canonical
from signals.errors import Refused, Undecodable
from signals.evidence import Evidence
from signals.subjects import ORCHESTRATOR, RUNTIME_GUARDIAN, threat_subject, threats_stream
from signals.threats import Severity, ThreatEvent
from tests.nats_server import NatsServer, connected, nats_server, serving
from workers.bus import Bus
from workers.chain import Chains, ThreatPublisher, threat, unseal
from workers.delivery import Message, Stored

__all__ = ["nats_server"]

KEYS = {agent: Ed25519PrivateKey.generate() for agent in (RUNTIME_GUARDIAN, ORCHESTRATOR)}
SIGNER = Signer(RUNTIME_GUARDIAN, KEYS[RUNTIME_GUARDIAN])
TRUST = Trust({agent: key.public_key() for agent, key in KEYS.items()})
CLUSTER = ClusterRef(name="test", uid="c-1")
OTHER_CLUSTER = ClusterRef(name="test", uid="c-2")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBJECT = threat_subject(RUNTIME_GUARDIAN, "shell")


def event(**changes: Any) -> ThreatEvent:
    given: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "cluster": CLUSTER,
        "agent": RUNTIME_GUARDIAN,
        "detector": "shell",
        "rule": "Terminal shell in container",
        "title": "A shell in web-0",
        "severity": Severity.HIGH,
        "confidence": 0.9,
        "subject": Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web-0", uid="u-1"),
        "observed_at": AT,
    }
    return ThreatEvent(**{**given, **changes})


def envelope(said: ThreatEvent | None = None, **changes: Any) -> Envelope:
    said = said or event()
    return Envelope(
        **{
            "cluster": CLUSTER,
            "agent": RUNTIME_GUARDIAN,
            "instance": "0",
            "event_id": said.id,
            "at": AT,
            "seq": 1,
            "prev": "",
            "subject": SUBJECT,
            "body": said.reduced(),
            **changes,
        }
    )


def message(said: Envelope, subject: str = SUBJECT) -> Message:
    return Message(
        subject=subject,
        data=canonical(said.model_dump(mode="json")),
        headers={},
        sequence=1,
        accepted_at=AT,
        deliveries=1,
        raw=None,
    )


def opened(said: Envelope, subject: str = SUBJECT) -> ThreatEvent:
    stored = message(said, subject)
    return threat(unseal(stored, RUNTIME_GUARDIAN, TRUST, CLUSTER), stored.accepted_at)


async def newest(bus: Bus, count: int) -> list[Envelope]:
    """Return the last envelopes of the stream, oldest first."""
    found = []
    async with aclosing(bus.newest(threats_stream(RUNTIME_GUARDIAN))) as messages:
        async for one in messages:
            found.append(unseal(one, RUNTIME_GUARDIAN, TRUST, CLUSTER))
            if len(found) == count:
                break
    return found[::-1]


def test_a_signed_event_is_opened_with_the_time_of_its_acceptance() -> None:
    said = event()

    assert opened(SIGNER.seal(envelope(said))) == said.model_copy(update={"accepted_at": AT})


def test_an_envelope_that_was_changed_after_signing_is_refused() -> None:
    sealed = SIGNER.seal(envelope())
    changed = sealed.model_copy(update={"body": {**sealed.body, "confidence": 0.1}})

    with pytest.raises(Refused, match="signature"):
        opened(changed)


def test_an_envelope_signed_with_another_agents_key_is_refused() -> None:
    forger = Signer(RUNTIME_GUARDIAN, KEYS[ORCHESTRATOR])

    with pytest.raises(Refused, match="signature"):
        opened(forger.seal(envelope()))


def test_an_unsigned_envelope_is_refused() -> None:
    with pytest.raises(Refused, match="signature"):
        opened(envelope())


def test_an_envelope_of_another_agent_in_this_stream_is_refused() -> None:
    sealed = Signer(ORCHESTRATOR, KEYS[ORCHESTRATOR]).seal(envelope(agent=ORCHESTRATOR))

    with pytest.raises(Refused, match="the stream is"):
        opened(sealed)


def test_an_envelope_replayed_on_another_subject_is_refused() -> None:
    with pytest.raises(Refused, match="delivered on"):
        opened(SIGNER.seal(envelope()), threat_subject(RUNTIME_GUARDIAN, "other"))


def test_an_envelope_of_another_cluster_is_refused() -> None:
    with pytest.raises(Refused, match="cluster"):
        opened(SIGNER.seal(envelope(cluster=OTHER_CLUSTER)))


def test_an_event_of_another_cluster_in_our_envelope_is_refused() -> None:
    with pytest.raises(Refused, match="cluster"):
        opened(SIGNER.seal(envelope(event(cluster=OTHER_CLUSTER))))


def test_an_event_in_another_detectors_name_is_refused() -> None:
    with pytest.raises(Refused, match="the envelope's is"):
        opened(SIGNER.seal(envelope(event(detector="egress"))))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b'{"stream":"THREATS","seq":2}', b"[" * 100_000])
def test_bytes_that_are_no_envelope_are_undecodable(data: bytes) -> None:
    broken = Stored(subject=SUBJECT, data=data, headers={}, sequence=1, accepted_at=AT)

    with pytest.raises(Undecodable):
        unseal(broken, RUNTIME_GUARDIAN, TRUST, CLUSTER)


def test_a_signed_body_that_is_no_event_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="ThreatEvent"):
        opened(SIGNER.seal(envelope(body={"hello": "world"})))


def link(seq: int, prev: str = "", instance: str = "0") -> Envelope:
    return SIGNER.seal(envelope(seq=seq, prev=prev, instance=instance))


def test_a_chain_that_joins_has_no_gap() -> None:
    chains, first = Chains(), link(1)
    second = link(2, first.digest)

    assert chains.follow(first, 10) is None
    assert chains.follow(second, 11) is None


def test_a_missing_message_is_a_gap_and_not_an_error() -> None:
    chains = Chains()
    chains.follow(link(1), 10)

    gap = chains.follow(link(4, "x"), 11)

    assert gap is not None
    assert (gap.after, gap.found) == (1, 4)
    assert str(gap) == "runtime-guardian/0: 2 messages are missing between 1 and 4"


def test_a_message_that_names_another_predecessor_is_a_gap() -> None:
    chains = Chains()
    chains.follow(link(1), 10)

    gap = chains.follow(link(2, "another"), 11)

    assert gap is not None
    assert "does not join" in str(gap)


def test_a_chain_that_begins_anew_is_a_gap() -> None:
    chains = Chains()
    chains.follow(link(7), 10)

    assert chains.follow(link(1), 11) is not None


@pytest.mark.parametrize(("days", "is_gap"), [(8, False), (6, True)])
def test_a_chain_of_which_the_stream_has_nothing_left_begins_anew_without_a_gap(
    days: int, is_gap: bool
) -> None:
    chains = Chains()
    chains.follow(link(7), 10)
    begun = SIGNER.seal(envelope(seq=1, at=AT + timedelta(days=days)))

    assert (chains.follow(begun, 11) is not None) is is_gap


def test_messages_that_come_again_or_late_are_no_gap() -> None:
    chains, first = Chains(), link(1)
    second = link(2, first.digest)
    chains.follow(first, 10)
    chains.follow(second, 11)

    assert chains.follow(first, 10) is None
    assert chains.follow(second, 11) is None
    assert chains.follow(link(3, second.digest), 12) is None


def test_what_another_replica_got_is_no_gap() -> None:
    chains = Chains()
    chains.follow(link(1), 10)

    assert chains.follow(link(4, "of number three"), 13) is None


def test_chains_of_different_instances_do_not_meet() -> None:
    chains = Chains()
    chains.follow(link(1, instance="0"), 1)

    assert chains.follow(link(9, instance="1"), 2) is None


def test_the_chain_not_seen_for_longest_is_forgotten() -> None:
    chains = Chains(limit=2)
    for position, instance in enumerate(("0", "1", "2"), start=1):
        chains.follow(link(1, instance=instance), position)

    assert chains.follow(link(5, instance="0"), 4) is None
    assert chains.follow(link(5, instance="2"), 5) is not None


@pytest.mark.stack
async def test_what_is_published_forms_a_signed_chain(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        publisher = ThreatPublisher(bus, SIGNER, CLUSTER, "forms")
        for _ in range(3):
            await publisher.publish(event())
        first, second, third = await newest(bus, 3)

    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert (second.prev, third.prev) == (first.digest, second.digest)


@pytest.mark.stack
async def test_a_restarted_instance_goes_on_where_its_own_chain_ended(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        await ThreatPublisher(bus, SIGNER, CLUSTER, "restarted").publish(event())
        await ThreatPublisher(bus, SIGNER, CLUSTER, "neighbour").publish(event())
        await ThreatPublisher(bus, SIGNER, CLUSTER, "restarted").publish(event())
        before, _, after = await newest(bus, 3)

    assert (after.seq, after.prev) == (2, before.digest)


@pytest.mark.stack
async def test_one_revision_is_stored_once_and_leaves_no_gap(nats_server: NatsServer) -> None:
    said = event()
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        publisher = ThreatPublisher(bus, SIGNER, CLUSTER, "once")
        first = await publisher.publish(said)
        assert await publisher.publish(said) == first
        assert await ThreatPublisher(bus, SIGNER, CLUSTER, "once").publish(said) == first
        await publisher.publish(said.model_copy(update={"revision": 2}))
        before, after = await newest(bus, 2)

    assert (before.seq, after.seq, after.prev) == (1, 2, before.digest)


@pytest.mark.stack
async def test_a_chain_has_no_gap_when_nats_dies_between_two_events(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, RUNTIME_GUARDIAN) as bus:
            publisher = ThreatPublisher(bus, SIGNER, CLUSTER, "0")
            await publisher.publish(event())
            server.kill()
            server.start()
            await publisher.publish(event())
            before, after = await newest(bus, 2)

    assert (before.seq, after.seq, after.prev) == (1, 2, before.digest)


@pytest.mark.stack
async def test_text_and_numbers_that_no_reader_takes_are_made_harmless_at_the_border(
    nats_server: NatsServer,
) -> None:
    odd = Evidence(
        source="falco", summary="x", observed_at=AT, sha256="0", data={"cmd": "a\udc80b", "n": float("nan")}
    )
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        await ThreatPublisher(bus, SIGNER, CLUSTER, "odd").publish(event(evidence=(odd,)))
        (sealed,) = await newest(bus, 1)

    assert sealed.body["evidence"][0]["data"] == {"cmd": "a?b", "n": None}
    json.dumps(sealed.body, allow_nan=False, ensure_ascii=False).encode()
