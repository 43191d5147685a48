"""A container is added to a running pod, with all that the pod can reach."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity


def matches(event: AuditEvent) -> bool:
    """Return whether ephemeral containers were written."""
    return written(event, "update", "patch")


def grade(event: AuditEvent) -> Grade:
    """Grade by who: `kubectl debug` is a person's tool."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.LOW,
        confidence=0.6 if workload else 0.3,
        technique="T1610",
    )


DETECTOR = AuditDetector(
    name="ephemeral_container",
    resources=("pods/ephemeralcontainers",),
    technique="T1610",
    severity=Severity.HIGH,
    confidence=0.6,
    because="Only people debug with ephemeral containers; a workload that adds one extends itself into another.",
    title="{who} added a container to the running pod {name} in {where}",
    verbs=("update", "patch"),
    matches=matches,
    attempts=True,
    about_target=True,
    grade=grade,
    fires_on=(
        record("patch", "pods/ephemeralcontainers", "web-0"),
        record("update", "pods/ephemeralcontainers", "web-0", who=PERSON),
        record("patch", "pods/ephemeralcontainers", "web-0", code=403),
    ),
    ignores=(
        record("get", "pods/ephemeralcontainers", "web-0"),
        record("patch", "pods/ephemeralcontainers", "web-0", uri="/x?dryRun=All"),
    ),
)
