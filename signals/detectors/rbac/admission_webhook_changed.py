"""An admission webhook is deleted or changed: what it refused until now is allowed, or it sees every write."""

from signals.audit_detector import PERSON, AuditDetector, record, written
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity


def matches(event: AuditEvent) -> bool:
    """Return whether a webhook configuration was written."""
    return written(event, "create", "update", "patch", "delete", "deletecollection")


DETECTOR = AuditDetector(
    name="admission_webhook_changed",
    resources=("validatingwebhookconfigurations", "mutatingwebhookconfigurations"),
    technique="T1562.001",
    severity=Severity.MEDIUM,
    confidence=0.4,
    because="Admission webhooks change with the software that brings them, and to get something past them.",
    title="{who} changed an admission webhook: {thing} {name}",
    verbs=("create", "update", "patch", "delete", "deletecollection"),
    matches=matches,
    fires_on=(
        record("delete", "validatingwebhookconfigurations", "gatekeeper", "", who=PERSON),
        record("create", "mutatingwebhookconfigurations", "x", ""),
    ),
    ignores=(
        record("get", "validatingwebhookconfigurations", "gatekeeper", ""),
        record("delete", "validatingwebhookconfigurations", "gatekeeper", "", uri="/x?dryRun=All"),
    ),
)
