"""What an audit event means: which detectors it raises, and about whom."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from signals.audit_detector import AuditDetection, AuditDetector, account_of, title
from signals.entities import ClusterRef
from signals.evidence import Evidence
from signals.observations import Observation
from signals.subjects import RBAC_AUDITOR
from signals.telemetry.audit import AuditEvent
from signals.telemetry.moments import moment
from signals.threats import ThreatEvent
from workers.asked import Asked
from workers.attribution import Attribution
from workers.counting import Counted, Sighting, key_of
from workers.installation import as_shipped
from workers.pod_index import PodIndex
from workers.sources import AUDIT
from workers.suspicion import OBSERVED_LIMIT, exception

SETTLE_SECONDS = 0.3
"""How long an event waits for the watch of enrolments to catch up."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One audit event, seen by one detector and attributed. `accepted_at` is JetStream's time."""

    cluster: ClusterRef
    audit: AuditEvent
    detector: AuditDetector
    about: Attribution
    accepted_at: datetime

    @property
    def rule(self) -> str:
        """The detector is the rule: nobody else names one."""
        return self.detector.name

    @property
    def detector_name(self) -> str:
        """The detector that raised it."""
        return self.detector.name

    @property
    def key(self) -> str:
        """What it shares with the same one by the same subject on the same thing.

        What was refused may name anything, as often as somebody likes: of that only who tried counts. Else a
        million names would be a million events, and nobody would hear the next one.
        """
        audit = self.audit
        if _attempt(self.detector, audit):
            return key_of(self.cluster.uid, self.detector.name, self.about.key, "refused", "")
        what = f"{audit.thing} {audit.namespace}"
        return key_of(self.cluster.uid, self.detector.name, self.about.key, what, audit.name)

    def event(self, counted: Counted, trace: dict[str, str]) -> ThreatEvent:
        """Return the event that says it, as often as it was counted."""
        audit, about, grade = self.audit, self.about, self.detector.graded(self.audit)
        observed_at = moment(audit.time) if audit.time else self.accepted_at
        return ThreatEvent(
            id=counted.event,
            revision=counted.count,
            cluster=self.cluster,
            agent=RBAC_AUDITOR,
            detector=self.detector.name,
            rule=self.detector.name,
            title=title(self.detector, audit),
            technique=grade.technique,
            severity=grade.severity,
            confidence=grade.confidence,
            subject=about.subject,
            entities=about.entities,
            owner=about.owner,
            mode=about.mode,
            enrolled=about.enrolled,
            observed_at=observed_at,
            accepted_at=self.accepted_at,
            count=counted.count,
            evidence=(self._evidence(observed_at),),
            caveats=(*about.caveats, *self._caveats()),
            exception=exception(self.detector.name),
            trace=trace,
        )

    def observation(self, name: str, *, at: datetime, until: datetime, count: int) -> Observation:
        """Return what was seen, so often between these instants, without any judgement of it."""
        about = self.about
        return Observation(
            id=f"{name}:{self.detector.name}",
            at=at,
            until=until,
            what=self.detector.name,
            summary=self._said()[:OBSERVED_LIMIT],
            entities=(about.subject, *about.entities),
            count=count,
        )

    def _said(self) -> str:
        audit = self.audit
        what = f"{audit.verb} {audit.thing} {audit.namespace}/{audit.name}"
        return f"{audit.user}: {what} ({audit.code}) {audit.message}".strip()

    def _evidence(self, observed_at: datetime) -> Evidence:
        audit = self.audit
        told = {
            "user": audit.user,
            "verb": audit.verb,
            "resource": audit.thing,
            "namespace": audit.namespace,
            "name": audit.name,
            "code": str(audit.code),
            "message": audit.message,
            "granted_by": audit.granted_by,
            "impersonated": audit.impersonated,
            "from": ", ".join(audit.sources),
            "client": audit.client,
            "audit_id": audit.id,
        }
        return Evidence(
            source=AUDIT,
            summary=self._said()[:1000],
            observed_at=observed_at,
            sha256=audit.sha256,
            truncated=audit.truncated,
            data={f"audit.{name}": text for name, text in told.items() if text},
        )

    def _caveats(self) -> tuple[str, ...]:
        doubts = []
        if not self.audit.groups and account_of(self.audit.user):
            doubts.append("the source tells no groups of the user")
        if self.audit.truncated:
            doubts.append("the body of the request was too large to be looked into")
        return tuple(doubts)


class Audits:
    """Reads audit events, as `guarding.Reading` asks."""

    def __init__(self, detection: AuditDetection, index: PodIndex) -> None:
        """Detect with this catalogue, attribute by this index."""
        self._detection = detection
        self._index = index
        self._asked = Asked(index.cluster, index)

    async def settle(self, given: Sequence[AuditEvent]) -> None:
        """Make sure that no namespace seems not enrolled because a watch runs behind."""
        accounts = (account_of(event.user) for event in given)
        namespaces = {account[0] for account in accounts if account}
        namespaces |= {event.namespace for event in given if event.namespace}
        await self._index.settle_modes(namespaces, SETTLE_SECONDS)

    def suspicions(
        self, given: AuditEvent, accepted_at: datetime, place: tuple[int, int]
    ) -> Iterator[tuple[Request, Sighting]]:
        """Yield every suspicion that one event raises, each counted by the event's own id."""
        for detector in self._detection.suspect(given):
            if detector.compares and as_shipped(given):
                continue
            request = Request(
                cluster=self._index.cluster,
                audit=given,
                detector=detector,
                about=self._asked.find(
                    given, about_target=detector.about_target and not _attempt(detector, given)
                ),
                accepted_at=accepted_at,
            )
            at = given.time or int(accepted_at.timestamp()) * 10**9
            yield request, Sighting(at, hashlib.sha256(given.id.encode()).digest()[:8])


def _attempt(detector: AuditDetector, event: AuditEvent) -> bool:
    """Return whether something was tried and not done: what it names need not be there."""
    return not event.allowed and not detector.refused
