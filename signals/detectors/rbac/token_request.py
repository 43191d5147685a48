"""A token is made for another identity: whoever has it is that identity."""

from signals.audit_detector import PERSON, AuditDetector, account_of, of_workload, record, written
from signals.detector import Grade
from signals.subjects import NAMESPACE
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

DAY = 24 * 3600
SENSITIVE = ("kube-system", NAMESPACE)


def matches(event: AuditEvent) -> bool:
    """Return whether a token was made for an account that is not the asker's own."""
    return written(event, "create") and account_of(event.user) != (event.namespace, event.name)


def grade(event: AuditEvent) -> Grade:
    """Grade by whose token it is, who asks, and for how long."""
    sensitive = event.namespace in SENSITIVE
    lasting = (event.body.get("expirationSeconds") or 0) > DAY
    confidence = 0.35 + 0.15 * sensitive + 0.1 * of_workload(event) + 0.05 * lasting
    return Grade(
        severity=Severity.HIGH if sensitive or of_workload(event) else Severity.MEDIUM,
        confidence=round(confidence, 2),
        technique="T1528",
    )


DETECTOR = AuditDetector(
    name="token_request",
    resources=("serviceaccounts/token",),
    technique="T1528",
    severity=Severity.HIGH,
    confidence=0.5,
    because="Kubelets make tokens for pods; anybody else who makes one for another account can act as it.",
    title="{who} had a token made for ServiceAccount {name} in {where}",
    verbs=("create",),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("create", "serviceaccounts/token", "default", "kube-system"),
        record(
            "create", "serviceaccounts/token", "db", "shop", who=PERSON, body={"expirationSeconds": 10 * DAY}
        ),
        record("create", "serviceaccounts/token", "db", "shop", code=403),
    ),
    ignores=(
        record("create", "serviceaccounts/token", "web", "shop"),
        record(
            "create", "serviceaccounts/token", "db", "shop", who=("system:node:node-1", ("system:nodes",))
        ),
        record("create", "serviceaccounts/token", "db", "shop", who=("system:kube-controller-manager", ())),
        record("create", "serviceaccounts/token", "db", "shop", uri="/x?dryRun=All"),
    ),
)
