"""Somebody opens a shell in a running pod, or attaches to it, through the API server."""

from signals.audit_detector import PERSON, AuditDetector, of_nobody, of_ours, of_workload, record
from signals.detector import Grade
from signals.subjects import REMEDIATION_EXECUTOR, service_account
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

OURS = (service_account(REMEDIATION_EXECUTOR), ("system:serviceaccounts",))


def matches(event: AuditEvent) -> bool:
    """Return whether a session was opened. Clients ask with POST or, over websockets, with GET."""
    return event.verb in ("create", "get") and not of_ours(event)


def grade(event: AuditEvent) -> Grade:
    """Grade by who: people debug, workloads do not, and nobody at all is worst."""
    if of_nobody(event):
        return Grade(severity=Severity.CRITICAL, confidence=0.75, technique="T1609")
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.LOW,
        confidence=0.6 if workload else 0.3,
        technique="T1609",
    )


DETECTOR = AuditDetector(
    name="exec_into_pod",
    resources=("pods/exec", "pods/attach"),
    technique="T1609",
    severity=Severity.HIGH,
    confidence=0.6,
    because="Workloads that open shells in others are rare (some operators, CI runners); people do it daily.",
    title="{who} opened a session in pod {name} in {where} ({thing})",
    verbs=("create", "get"),
    matches=matches,
    attempts=True,
    about_target=True,
    grade=grade,
    fires_on=(
        record("create", "pods/exec", "web-0", stage="ResponseStarted", code=101),
        record("get", "pods/attach", "web-0", who=PERSON, code=101),
        record("create", "pods/exec", "web-0", who=("system:anonymous", ("system:unauthenticated",))),
        record("create", "pods/exec", "web-0", code=403),
    ),
    ignores=(
        record("get", "pods/log", "web-0"),
        record("create", "pods/exec", "web-0", who=OURS),
        record("create", "pods/exec", "web-0", who=PERSON, code=403),
    ),
)
