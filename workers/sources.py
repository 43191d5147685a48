"""The raw feeds that agents read: what their records are, and which of them are worth keeping."""

from collections.abc import Callable

import msgspec

from signals.audit_detector import AuditDetection
from signals.subjects import RBAC_AUDITOR, RUNTIME_GUARDIAN
from signals.telemetry import audit, falco
from signals.telemetry.audit import AuditEvent
from signals.telemetry.audit_wire import decode
from signals.telemetry.bodies import split
from signals.telemetry.falco import Alert
from signals.telemetry.wrappings import events
from workers.feed import Record, Source

FALCO = "falco"
"""The feed of Falco and falcosidekick."""
AUDIT = "audit"
"""The feed of the API server's audit events."""


def _alert(item: bytes) -> Alert:
    return falco.redacted(falco.read(item))


ALERTS: Source[Alert] = Source(
    agent=RUNTIME_GUARDIAN,
    name=FALCO,
    what="alert",
    split=split,
    read=_alert,
    decoder=msgspec.json.Decoder(tuple[Record[Alert], ...]),
)


def audits(detection: AuditDetection) -> Source[AuditEvent]:
    """Return the feed of audit events of which this catalogue suspects something: of most requests it does not."""

    def worth(item: bytes) -> AuditEvent | None:
        wire = decode(item)
        if detection.ordinary(wire) or not detection.suspect(audit.glance(wire)):
            return None
        event = audit.read(item)
        return event if detection.suspect(event) else None

    return _audits(worth)


def _audits(read: Callable[[bytes], AuditEvent | None]) -> Source[AuditEvent]:
    return Source(
        agent=RBAC_AUDITOR,
        name=AUDIT,
        what="audit event",
        split=events,
        read=read,
        decoder=msgspec.json.Decoder(tuple[Record[AuditEvent], ...]),
    )
