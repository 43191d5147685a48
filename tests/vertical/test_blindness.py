"""What an attacker on the bus can leave out or slip in is told to people as an incident of its own."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals.decisions import Tier
from signals.entities import ClusterRef, Entity
from signals.envelope import Envelope, Signer, canonical
from signals.incidents import Incident
from signals.subjects import NAMESPACE, RUNTIME_GUARDIAN, threat_subject
from signals.threats import Severity, ThreatEvent
from tests.vertical.stage import Stage, until
from workers.bus import Bus
from workers.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SUBJECT = threat_subject(RUNTIME_GUARDIAN, "shell")


def event(cluster: ClusterRef, namespace: str, **given: Any) -> ThreatEvent:
    now = datetime.now(UTC)
    return ThreatEvent(
        **{
            "id": uuid.uuid4().hex,
            "cluster": cluster,
            "agent": RUNTIME_GUARDIAN,
            "detector": "shell",
            "rule": "Terminal shell in container",
            "title": "A shell in web-0",
            "severity": Severity.LOW,
            "confidence": 0.1,
            "subject": Entity(
                cluster=cluster, kind="Pod", namespace=namespace, name="web-0", uid=uuid.uuid4().hex
            ),
            "observed_at": now,
            "accepted_at": now,
            **given,
        }
    )


class Thief:
    """Somebody with the guardian's certificate, and perhaps its signing key."""

    def __init__(self, stage: Stage, bus: Bus) -> None:
        self._bus = bus
        layout = stage.stack.layout
        self.signer = Signer.from_pem(
            RUNTIME_GUARDIAN, (layout.keys / f"{RUNTIME_GUARDIAN}.key").read_bytes()
        )
        self._instance = uuid.uuid4().hex
        self.cluster = stage.cluster.ref

    def envelope(self, said: ThreatEvent, seq: int, prev: str = "") -> Envelope:
        return Envelope(
            cluster=self.cluster,
            agent=RUNTIME_GUARDIAN,
            instance=self._instance,
            event_id=said.id,
            at=datetime.now(UTC),
            seq=seq,
            prev=prev,
            subject=SUBJECT,
            body=said.reduced(),
        )

    async def say(self, envelope: Envelope) -> bytes:
        payload = canonical(envelope.model_dump(mode="json"))
        await self._bus.append(SUBJECT, payload)
        return payload

    async def replay(self, payload: bytes) -> None:
        await self._bus.append(SUBJECT, payload)


@asynccontextmanager
async def connected(stage: Stage) -> AsyncIterator[Bus]:
    url = stage.status.endpoints.nats or ""
    bus = await Bus.connect(Settings(nats_url=url, nats_dir=stage.stack.layout.nats), RUNTIME_GUARDIAN)
    try:
        yield bus
    finally:
        await bus.close()


async def blind(stage: Stage, text: str) -> Incident:
    """Return the incident about the guardian's own account once something in it says so."""
    found: Incident | None = None

    async def look() -> bool:
        nonlocal found
        for one in await stage.ledger.summaries(NAMESPACE):
            incident = await stage.ledger.ask(one.id)
            if any(text in evidence.summary for seen in incident.events for evidence in seen.evidence):
                found = incident
        return found is not None

    await until(look, lambda: f"an incident that says {text!r}")
    assert found
    return found


async def test_a_gap_in_what_an_agent_said_is_an_incident_that_is_paged_and_contains_nothing(
    stage: Stage,
) -> None:
    async with connected(stage) as bus, stage.scene() as here:
        thief = Thief(stage, bus)
        first = thief.signer.seal(thief.envelope(event(thief.cluster, here.namespace), 1))
        await thief.say(first)
        await thief.say(thief.signer.seal(thief.envelope(event(thief.cluster, here.namespace), 4, "lost")))
        incident = await blind(stage, f"{thief._instance}: 2 messages are missing between 1 and 4")

        assert incident.summary.tier == Tier.OBSERVE
        assert (incident.receipts, incident.plan) == ((), None)
        assert "Blind: something that runtime-guardian said is not there" in {
            one.title for one in incident.events
        }

        async def paged() -> bool:
            pages = await asyncio.to_thread(stage.stack.layout.pages.read_text)
            return any(json.loads(line)["incident"] == incident.summary.id for line in pages.splitlines())

        await until(paged, lambda: "nobody was paged")


async def test_who_has_the_certificate_and_not_the_key_is_told_of_and_starts_nothing(stage: Stage) -> None:
    async with connected(stage) as bus, stage.scene() as here:
        thief = Thief(stage, bus)
        await thief.say(thief.envelope(event(thief.cluster, here.namespace, confidence=0.99), 1))
        incident = await blind(stage, "the signature is not runtime-guardian's")

        assert incident.summary.tier == Tier.OBSERVE
        assert await stage.summaries(here) == ()


async def test_an_envelope_that_is_sent_again_and_a_clock_an_hour_off_give_nobody_more_than_tier_one(
    stage: Stage,
) -> None:
    async with connected(stage) as bus, stage.scene() as here:
        thief = Thief(stage, bus)
        pod = Entity(
            cluster=thief.cluster, kind="Pod", namespace=here.namespace, name="web-0", uid="u-replayed"
        )
        hour = timedelta(hours=1)
        late = event(
            thief.cluster,
            here.namespace,
            subject=pod,
            confidence=0.94,
            observed_at=datetime.now(UTC) - hour,
            mode="auto",
            enrolled=True,
        )
        payload = await thief.say(thief.signer.seal(thief.envelope(late, 1)))
        incident = await stage.incident(here, lambda one: bool(one.decisions))
        for _ in range(3):
            await thief.replay(payload)
        await thief.say(
            thief.signer.seal(thief.envelope(event(thief.cluster, here.namespace, subject=pod), 2))
        )
        incident = await stage.incident(here, lambda one: len(one.events) == 2)

        assert incident.summary.tier == Tier.OBSERVE
        assert any("s before the bus accepted it" in term.reason for term in incident.decisions[0].terms)
        assert incident.receipts == ()
