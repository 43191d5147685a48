"""Somebody acts under another name."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record
from signals.detector import Grade
from signals.subjects import BREAK_GLASS_GROUP
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

POWERFUL = frozenset({"system:masters", "system:nodes", BREAK_GLASS_GROUP})


def matches(event: AuditEvent) -> bool:
    """Return whether another name was used, to do something rather than to ask what that name may do."""
    asking = event.resource in ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
    return bool(event.impersonated) and not asking


def grade(event: AuditEvent) -> Grade:
    """Grade by who does it, and what the name is worth."""
    powerful = bool(POWERFUL & set(event.impersonated_groups))
    confidence = 0.3 + 0.15 * of_workload(event) + 0.15 * powerful
    return Grade(
        severity=Severity.HIGH if powerful else Severity.MEDIUM if of_workload(event) else Severity.LOW,
        confidence=round(confidence, 2),
        technique="T1078",
    )


DETECTOR = AuditDetector(
    name="impersonation",
    resources=("*",),
    technique="T1078",
    severity=Severity.MEDIUM,
    confidence=0.45,
    because="Impersonation is an administrator's right. Some deployment tools work by it: name theirs as trusted.",
    title="{who} acts as {as} ({thing} in {where})",
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record(
            "delete",
            "networkpolicies",
            who=PERSON,
            impersonated="ada",
            impersonated_groups=(BREAK_GLASS_GROUP,),
        ),
        record("list", "secrets", impersonated="system:admin", impersonated_groups=("system:masters",)),
    ),
    ignores=(
        record("list", "secrets"),
        record("create", "selfsubjectaccessreviews", who=PERSON, impersonated="bob"),
    ),
)
