"""Credentials that change while everything runs: nothing is lost, nothing is doubled, the old ones end."""

import asyncio
import signal
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.bus import client_certificates
from deploy.nats import provision
from signals.entities import ClusterRef, Entity
from signals.errors import Refused
from signals.subjects import ORCHESTRATOR, RUNTIME_GUARDIAN, threats_stream
from signals.threats import Severity, ThreatEvent
from tests.nats_server import NatsServer, connected, serving
from workers import connection
from workers.bus import Bus
from workers.chain import Chains, ThreatPublisher, threat, unseal
from workers.keyring import PUBLIC, Keyring, OwnKey
from workers.stack.pki import SERVER, Subject, new_signing_key, signing_key

CLUSTER = ClusterRef(name="test", uid="c-1")


def rotate(server: NatsServer) -> None:
    """Make every certificate anew and tell the server, as the stack does."""
    nats = Subject(name="nats", hosts=("localhost",), addresses=("127.0.0.1",), usages=(SERVER,))
    server.authority.issue(server.pki, "server", nats)
    for name, uri in client_certificates().items():
        server.authority.issue(server.pki, name, Subject(name=name, uris=(uri,)))
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)


def shown(server: NatsServer) -> dict[str, str]:
    """Return the certificate that each connected client has shown."""
    found = server.monitor("connz?auth=1")["connections"]
    return {one["name"]: one["tls_peer_certs"][0]["cert_sha256"] for one in found if "name" in one}


def fresh(server: NatsServer, before: dict[str, str]) -> set[str]:
    """Return the clients that are connected with another certificate than before."""
    return {name for name, certificate in shown(server).items() if certificate != before.get(name)}


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within 15 s")


def event() -> ThreatEvent:
    return ThreatEvent(
        id=uuid.uuid4().hex,
        cluster=CLUSTER,
        agent=RUNTIME_GUARDIAN,
        detector="shell",
        rule="Terminal shell in container",
        title="A shell in web-0",
        severity=Severity.HIGH,
        confidence=0.9,
        subject=Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web-0", uid="u-1"),
        observed_at=datetime.now(UTC),
    )


class Talk:
    """A guardian that publishes without pause, and an orchestrator that reads and checks all of it."""

    def __init__(self, guardian: Bus, orchestrator: Bus, keys: Path) -> None:
        self.said: list[str] = []
        self.heard: Counter[str] = Counter()
        self.gaps: list[str] = []
        self._orchestrator = orchestrator
        self._trust = Keyring(keys / PUBLIC)
        signer = OwnKey(RUNTIME_GUARDIAN, keys / f"{RUNTIME_GUARDIAN}.key")
        self._publisher = ThreatPublisher(guardian, signer, CLUSTER, "0")
        self._chains = Chains()
        self._enough = asyncio.Event()

    async def speak(self) -> None:
        last = False
        while not last:  # one more after it is enough: the listener looks at each batch
            last = self._enough.is_set()
            one = event()
            self.said.append(one.id)
            await self._publisher.publish(one)

    async def listen(self) -> None:
        stream = threats_stream(RUNTIME_GUARDIAN)
        async with aclosing(
            self._orchestrator.consume(stream, ORCHESTRATOR, owner=RUNTIME_GUARDIAN)
        ) as batches:
            async for batch in batches:
                for message in batch:
                    envelope = unseal(message, RUNTIME_GUARDIAN, self._trust, CLUSTER)
                    if gap := self._chains.follow(envelope, message.sequence):
                        self.gaps.append(str(gap))
                    if message.deliveries == 1:
                        self.heard[threat(envelope, message.accepted_at).id] += 1
                    await message.ack()
                if self._enough.is_set() and set(self.heard) >= set(self.said):
                    return

    def finish(self) -> None:
        self._enough.set()


@pytest.mark.stack
async def test_nothing_is_lost_or_doubled_while_certificates_and_keys_change_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RENEW_SECONDS", 0.1)
    keys = tmp_path / "keys"
    (keys / PUBLIC).mkdir(parents=True)
    signing_key(keys, RUNTIME_GUARDIAN)
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, RUNTIME_GUARDIAN) as guardian, connected(server, ORCHESTRATOR) as reader:
            talk = Talk(guardian, reader, keys)
            speaking, listening = asyncio.create_task(talk.speak()), asyncio.create_task(talk.listen())
            for _ in range(2):
                before, said = shown(server), len(talk.said)
                await asyncio.to_thread(rotate, server)
                new_signing_key(keys, RUNTIME_GUARDIAN)
                await until(lambda: len(fresh(server, before)) == 2)  # noqa: B023 - awaited at once
                await until(lambda: len(talk.said) > said + 20)  # noqa: B023 - awaited at once
            talk.finish()
            async with asyncio.timeout(20):
                await speaking
                await listening
            stored = server.monitor("jsz?accounts=1&streams=1")["account_details"]

    (threats,) = (
        stream["state"]["messages"]
        for account in stored
        for stream in account["stream_detail"]
        if stream["name"] == threats_stream(RUNTIME_GUARDIAN)
    )
    assert threats == len(talk.said) == len(set(talk.said)) > 40
    assert set(talk.heard) == set(talk.said)
    assert set(talk.heard.values()) == {1}
    assert talk.gaps == []


def test_an_agents_old_key_counts_until_its_next_change_and_no_longer(tmp_path: Path) -> None:
    (tmp_path / PUBLIC).mkdir()
    signing_key(tmp_path, ORCHESTRATOR)
    signer = OwnKey(ORCHESTRATOR, tmp_path / f"{ORCHESTRATOR}.key")
    trust = Keyring(tmp_path / PUBLIC)
    first = signer.sign(b"said")

    new_signing_key(tmp_path, ORCHESTRATOR)
    second = signer.sign(b"said")
    assert second != first
    for signature in (first, second):
        trust.check(ORCHESTRATOR, b"said", signature)

    new_signing_key(tmp_path, ORCHESTRATOR)
    trust.check(ORCHESTRATOR, b"said", second)
    with pytest.raises(Refused, match="signature"):
        trust.check(ORCHESTRATOR, b"said", first)
    assert (tmp_path / "retired" / f"{ORCHESTRATOR}.pub").read_bytes().count(b"BEGIN") == 2


def test_keys_that_cannot_be_read_leave_those_in_force_that_could(tmp_path: Path) -> None:
    (tmp_path / PUBLIC).mkdir()
    signing_key(tmp_path, ORCHESTRATOR)
    signer = OwnKey(ORCHESTRATOR, tmp_path / f"{ORCHESTRATOR}.key")
    trust = Keyring(tmp_path / PUBLIC)
    (tmp_path / f"{ORCHESTRATOR}.key").write_text("torn")
    (tmp_path / PUBLIC / f"{ORCHESTRATOR}.new").touch()
    (tmp_path / PUBLIC / f"{ORCHESTRATOR}.pub").write_text("torn")

    trust.check(ORCHESTRATOR, b"said", signer.sign(b"said"))
