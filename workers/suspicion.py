"""Puts a threat event together: what was suspected, about whom, with the evidence and every doubt in words."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from signals.detector import Detector, title
from signals.entities import ClusterRef, Entity
from signals.evidence import Evidence
from signals.observations import Observation
from signals.subjects import RUNTIME_GUARDIAN
from signals.telemetry.falco import Alert
from signals.telemetry.moments import moment
from signals.threats import Peer, ThreatEvent
from workers.attribution import Attribution
from workers.counting import Counted, key_of
from workers.pod_index import PodIndex
from workers.sources import FALCO

AHEAD = timedelta(seconds=30)
"""How far an alert's time may be ahead of JetStream's before that is said."""
SUMMARY_LIMIT = 1000
OBSERVED_LIMIT = 300
"""Characters that are remembered of what an alert says."""


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """One alert, seen by a detector and attributed. `accepted_at` is JetStream's time of the feed message."""

    cluster: ClusterRef
    alert: Alert
    detector: Detector
    attribution: Attribution
    peer: Peer | None
    accepted_at: datetime

    @property
    def observed_at(self) -> datetime:
        """When it happened, by the alert's own clock; when it was accepted, if the alert tells no time."""
        return moment(self.alert.time) if self.alert.time else self.accepted_at

    @property
    def rule(self) -> str:
        """The rule that Falco's author named."""
        return self.alert.rule

    @property
    def detector_name(self) -> str:
        """The detector that raised it."""
        return self.detector.name

    @property
    def key(self) -> str:
        """What this suspicion shares with the same one about the same subject."""
        peer = self.peer
        other = f"{peer.direction} {peer.address} {peer.port} {peer.protocol}" if peer else ""
        process = f"{self.alert.text('proc.name')} {self.alert.text('proc.exepath')}"
        return key_of(self.cluster.uid, self.alert.rule, self.attribution.key, other, process)

    def event(self, counted: Counted, trace: dict[str, str]) -> ThreatEvent:
        """Return the event that says it, as often as it was counted."""
        alert, about = self.alert, self.attribution
        grade = self.detector.graded(alert)
        return ThreatEvent(
            id=counted.event,
            revision=counted.count,
            cluster=self.cluster,
            agent=RUNTIME_GUARDIAN,
            detector=self.detector.name,
            rule=alert.rule,
            title=title(self.detector, alert, about.where, self.peer),
            technique=grade.technique,
            severity=grade.severity,
            confidence=grade.confidence,
            subject=about.subject,
            entities=(*about.entities, *self._address()),
            owner=about.owner,
            mode=about.mode,
            enrolled=about.enrolled,
            peer=self.peer,
            observed_at=self.observed_at,
            accepted_at=self.accepted_at,
            count=counted.count,
            evidence=(self._evidence(),),
            caveats=(*about.caveats, *self._caveats()),
            unattributed=about.unattributed,
            exception=exception(alert.rule),
            trace=trace,
        )

    def observation(self, name: str, *, at: datetime, until: datetime, count: int) -> Observation:
        """Return what was seen, so often between these instants, without any judgement of it."""
        about = self.attribution
        return Observation(
            id=name,
            at=at,
            until=until,
            what=self.alert.rule,
            summary=self.alert.output[:OBSERVED_LIMIT],
            entities=(about.subject, *about.entities, *self._address()),
            count=count,
        )

    def _address(self) -> tuple[Entity, ...]:
        if self.peer is None:
            return ()
        return (Entity(cluster=self.cluster, kind="Address", name=self.peer.address),)

    def _evidence(self) -> Evidence:
        alert = self.alert
        about = {"hostname": alert.hostname, "priority": alert.priority, "source": alert.source}
        return Evidence(
            source=FALCO,
            summary=alert.output[:SUMMARY_LIMIT],
            observed_at=self.observed_at,
            sha256=alert.sha256,
            truncated=alert.truncated,
            data={**{f"falco.{name}": text for name, text in about.items() if text}, **alert.fields},
        )

    def _caveats(self) -> tuple[str, ...]:
        doubts = []
        if not self.alert.time:
            doubts.append("the alert tells no time: that of its acceptance stands for it")
        elif self.observed_at - self.accepted_at > AHEAD:
            doubts.append("the clock of the alert's host is ahead of ours")
        if self.alert.truncated:
            doubts.append("the alert's text was cut on its way")
        return tuple(doubts)


def exception(rule: str) -> str:
    """Return the line of `policy.yaml` that silences a rule."""
    return f"rules: {{{json.dumps(rule, ensure_ascii=False)}: {{ignore: true}}}}"


def peer_of(detector: Detector, alert: Alert, attribution: Attribution, index: PodIndex) -> Peer | None:
    """Return the other end of the connection, as a pod where it is one of the cluster's."""
    if detector.peer is None:
        return None
    own = attribution.pod.addresses if attribution.pod else frozenset()
    peer = detector.peer(alert, own)
    pod = index.by_address(peer.address) if peer else None
    return peer.model_copy(update={"pod": pod.entity}) if peer and pod else peer
