"""Somebody tries to change what holds a contained pod; the lock refused it."""

from signals.audit_detector import PERSON, AuditDetector, record
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

LOCK = "ValidatingAdmissionPolicy 'firebreak-lock-"
SAID = f'pods "web-0" is forbidden: {LOCK}pods\' with binding denied request: labels hold a pod'
WORKLOAD_CONFIDENCE = 0.75
"""No workload has a reason to know our labels; a person may have meant to help."""


def matches(event: AuditEvent) -> bool:
    """Return whether a policy of the containment lock refused it."""
    return LOCK in event.message


def grade(event: AuditEvent) -> Grade:
    """Grade by who tried: a dry run changes nothing, but asks how it could be done."""
    workload = event.user.startswith("system:serviceaccount:")
    confidence = WORKLOAD_CONFIDENCE if workload else 0.55
    return Grade(
        severity=Severity.HIGH,
        confidence=confidence - (0.2 if event.dry_run else 0.0),
        technique="T1562.001",
    )


DETECTOR = AuditDetector(
    name="containment_tampering",
    resources=("*",),
    technique="T1562.001",
    severity=Severity.HIGH,
    confidence=WORKLOAD_CONFIDENCE,
    because="The containment lock refused it: labels, policies or rights that hold a pod were to be changed.",
    title="{who} tried to change what holds a contained pod ({thing} {name} in {where}): refused",
    matches=matches,
    refused=True,
    spares=False,
    grade=grade,
    fires_on=(
        record("patch", "pods", "web-0", code=422, message=SAID),
        record(
            "delete",
            "networkpolicies",
            who=PERSON,
            code=422,
            message=SAID.replace("pods'", "networkpolicies'"),
        ),
    ),
    ignores=(
        record("patch", "pods", "web-0"),
        record("patch", "pods", "web-0", code=403, message="pods is forbidden: User cannot patch"),
        record(
            "create",
            "commands",
            code=422,
            message="ValidatingAdmissionPolicy 'firebreak-command-actor' denied",
        ),
    ),
)
