"""ThreatEvents on the bus: wrapped, signed and chained by who says them, believed only with proof by who reads.

A chain is per agent and instance and goes on after a restart from the stream's own last message. A gap in it
means that something was said and not stored: blindness worth an event, never a reason to drop what came.
"""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from deploy.nats import KEPT_SECONDS
from signals.entities import ClusterRef
from signals.envelope import Envelope, Signer, Trust, canonical
from signals.errors import Refused, Undecodable
from signals.subjects import threat_subject, threats_stream
from signals.threats import ThreatEvent
from workers.bus import Bus
from workers.delivery import Stored

LOOK_BACK = 1000
"""How many messages back a restarted instance looks for the end of its own chain."""
AGED = timedelta(seconds=KEPT_SECONDS) - timedelta(hours=1)
"""A chain that was silent for so long has nothing left in its stream to go on from; an hour is for clocks."""
MAX_CHAINS = 1000
"""How many chains a reader remembers; the one not seen for longest is forgotten."""


@dataclass(frozen=True)
class _End:
    """Where a chain stands: the last sequence, its digest, its place in the stream, and when it was said."""

    seq: int
    digest: str
    position: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A finding: an agent said more than the stream holds, or the chain does not join."""

    agent: str
    instance: str
    after: int
    found: int

    def __str__(self) -> str:
        """Return the finding in one sentence."""
        missing = self.found - self.after - 1
        what = f"{missing} messages are missing" if missing > 0 else "the chain does not join"
        return f"{self.agent}/{self.instance}: {what} between {self.after} and {self.found}"


class Chain:
    """One instance's chain in one stream of its agent. Appends are put in order."""

    def __init__(self, bus: Bus, signer: Signer, cluster: ClusterRef, instance: str, stream: str) -> None:
        """Hold the connection and the key; where the chain stands is looked up at the first append."""
        self._bus, self._signer, self._cluster, self._instance = bus, signer, cluster, instance
        self._stream = stream
        self._end: _End | None = None
        self._lock = asyncio.Lock()

    async def append(self, subject: str, event_id: str, body: dict[str, Any], msg_id: str) -> int:
        """Store one body durably and return its sequence; the same `msg_id` twice is stored once.

        Raises:
            Unavailable: it may or may not be stored; append it again.
            BadInput: it is too large for the stream.
        """
        async with self._lock:
            end = self._end or await self._resumed()
            self._end = None  # whatever goes wrong from here on, the stream knows where the chain stands
            envelope = self._sealed(subject, event_id, body, end)
            payload = canonical(envelope.model_dump(mode="json"))
            accepted = await self._bus.store(subject, payload, msg_id=msg_id)
            if accepted.duplicate:
                self._end = end if end.position >= accepted.sequence else None
            else:
                self._end = _End(envelope.seq, envelope.digest, accepted.sequence, envelope.at)
            return accepted.sequence

    def _sealed(self, subject: str, event_id: str, body: dict[str, Any], end: _End) -> Envelope:
        text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        harmless: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
        return self._signer.seal(
            Envelope(
                cluster=self._cluster,
                agent=self._signer.agent,
                instance=self._instance,
                event_id=event_id,
                at=datetime.now(UTC),
                seq=end.seq + 1,
                prev=end.digest,
                subject=subject,
                body=harmless,
            )
        )

    async def _resumed(self) -> _End:
        seen = 0
        async for stored in self._bus.newest(self._stream):
            try:
                envelope = _decoded(stored)
            except Undecodable:
                continue
            if envelope.instance == self._instance:
                return _End(envelope.seq, envelope.digest, stored.sequence, envelope.at)
            seen += 1
            if seen >= LOOK_BACK:
                break
        return _End(0, "", 0, datetime.now(UTC))


class ThreatPublisher:
    """Publishes as one instance of one agent. Calls are put in order."""

    def __init__(self, bus: Bus, signer: Signer, cluster: ClusterRef, instance: str) -> None:
        """Hold the connection and the key; the chain is looked up at the first publish."""
        self._agent = signer.agent
        self._chain = Chain(bus, signer, cluster, instance, threats_stream(signer.agent))

    async def publish(self, event: ThreatEvent) -> int:
        """Store one event durably and return its sequence; the same revision twice is stored once.

        Raises:
            Unavailable: it may or may not be stored; publish it again.
            BadInput: it is too large for the stream.
        """
        subject = threat_subject(self._agent, event.detector)
        return await self._chain.append(subject, event.id, event.reduced(), f"{event.id}:{event.revision}")


def unseal(message: Stored, owner: str, trust: Trust, cluster: ClusterRef) -> Envelope:
    """Return the envelope that a message of `owner`'s stream holds.

    Raises:
        Undecodable: it is no envelope.
        Refused: it is not signed by the owner, was said on another subject or is about another cluster.
    """
    envelope = _decoded(message)
    if envelope.agent != owner:
        raise Refused(f"the stream is {owner}'s, the envelope {envelope.agent!r}'s")
    if envelope.subject != message.subject:
        raise Refused(f"said on {envelope.subject!r}, delivered on {message.subject!r}")
    if envelope.cluster.uid != cluster.uid:
        raise Refused(f"it is about cluster {envelope.cluster.uid!r}, not {cluster.uid!r}")
    trust.check_sealed(owner, envelope)
    return envelope


def threat(envelope: Envelope, accepted_at: datetime) -> ThreatEvent:
    """Return the event inside a checked envelope, with JetStream's time of acceptance.

    Where the agent tells when its own feed had the alert, that counts: an alert does not age while we are down.

    Raises:
        Undecodable: the body is no ThreatEvent.
        Refused: it speaks for another agent, detector or cluster than its envelope.
    """
    try:
        event = ThreatEvent.model_validate(envelope.body)
    except ValidationError as error:
        raise Undecodable(f"not a ThreatEvent: {error.errors()[0]['msg']}") from error
    if threat_subject(event.agent, event.detector) != envelope.subject:
        raise Refused(f"the event is {event.agent}'s {event.detector}, the envelope's is {envelope.subject}")
    if event.cluster.uid != envelope.cluster.uid:
        raise Refused(f"the event is about cluster {event.cluster.uid!r}")
    return event.model_copy(update={"accepted_at": event.accepted_at or accepted_at})


class Chains:
    """Follows chains by their last envelope. Safe with replicas, which see only part of each stream each.

    Between two envelopes of a chain their own numbers cannot rise by more than their places in the stream: a
    larger rise means that some were never stored. With several instances on one stream the others' messages
    can hide a gap; a single instance hides none.
    """

    def __init__(self, limit: int = MAX_CHAINS) -> None:
        """Remember at most `limit` chains."""
        self._limit = limit
        self._ends: OrderedDict[tuple[str, str], _End] = OrderedDict()

    def follow(self, envelope: Envelope, position: int) -> Gap | None:
        """Return what is wrong between this envelope and the last one seen, if anything is.

        `position` is the message's sequence in the stream. What comes again or late is no finding.
        """
        chain = (envelope.agent, envelope.instance)
        last = self._ends.get(chain)
        if last is not None and position <= last.position:
            return None
        self._ends[chain] = _End(envelope.seq, envelope.digest, position, envelope.at)
        self._ends.move_to_end(chain)
        if len(self._ends) > self._limit:
            self._ends.popitem(last=False)
        if last is None or _joins(last, envelope, position):
            return None
        return Gap(agent=envelope.agent, instance=envelope.instance, after=last.seq, found=envelope.seq)


def _joins(last: _End, envelope: Envelope, position: int) -> bool:
    rise = envelope.seq - last.seq
    if rise == 1:
        return envelope.prev == last.digest
    if envelope.seq == 1 and envelope.at - last.at > AGED:
        return True
    return 1 < rise <= position - last.position


def _decoded(message: Stored) -> Envelope:
    try:
        return Envelope.model_validate(json.loads(message.data))
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"not an envelope: {error}") from error
