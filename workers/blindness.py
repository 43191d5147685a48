"""What we know that we do not see: an agent said more than arrived, or somebody else spoke in its stream.

It becomes an incident about the agent's own account, so that people hear of it as of any other. Nobody is contained
for it: it has no confidence, and our own namespace is never a target.
"""

import hashlib
from datetime import timedelta

from signals.entities import ClusterRef, Entity
from signals.evidence import Evidence
from signals.subjects import NAMESPACE, ORCHESTRATOR
from signals.threats import Severity, ThreatEvent
from workers.chain import Gap
from workers.delivery import Message

DETECTOR = "blindness"
WINDOW = timedelta(hours=1)
"""However often somebody speaks for an agent, it is one event in so long."""


def missed(gap: Gap, message: Message, cluster: ClusterRef) -> ThreatEvent:
    """Return the event of a gap in an agent's chain, found at a message."""
    key = f"{gap.agent} {gap.instance} {gap.after} {gap.found} {message.sequence}"
    title = f"Blind: something that {gap.agent} said is not there"
    return _event(gap.agent, key, title, str(gap), message, cluster)


def spoken_for(agent: str, reason: str, message: Message, cluster: ClusterRef) -> ThreatEvent:
    """Return the event of a message in an agent's stream that cannot be its own."""
    window = int(message.accepted_at.timestamp() // WINDOW.total_seconds())
    title = f"Somebody else speaks in the stream of {agent}"
    return _event(
        agent, f"{agent} {window}", title, f"message {message.sequence}: {reason}", message, cluster
    )


def _event(agent: str, key: str, title: str, told: str, message: Message, cluster: ClusterRef) -> ThreatEvent:
    return ThreatEvent(
        id=hashlib.sha256(f"{cluster.uid} {DETECTOR} {key}".encode()).hexdigest()[:24],
        cluster=cluster,
        agent=ORCHESTRATOR,
        detector=DETECTOR,
        rule=DETECTOR,
        title=title,
        technique="T1562.006",
        severity=Severity.HIGH,
        confidence=None,
        subject=Entity(cluster=cluster, kind="ServiceAccount", namespace=NAMESPACE, name=agent),
        observed_at=message.accepted_at,
        accepted_at=message.accepted_at,
        evidence=(
            Evidence(
                source=ORCHESTRATOR,
                summary=told,
                observed_at=message.accepted_at,
                sha256=hashlib.sha256(message.data).hexdigest(),
                data={"stream": message.subject, "sequence": str(message.sequence)},
            ),
        ),
        caveats=("what was said meanwhile may be about anything",),
    )
