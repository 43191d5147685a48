"""A pod is made by hand where the control plane lives, beside what nobody looks at twice."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")


def matches(event: AuditEvent) -> bool:
    """Return whether a pod was made in a namespace of the system."""
    return written(event, "create") and event.namespace in SYSTEM


def grade(event: AuditEvent) -> Grade:
    """Grade by who made it."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.MEDIUM,
        confidence=0.6 if workload else 0.4,
        technique="T1036.005",
    )


DETECTOR = AuditDetector(
    name="pod_in_system_namespace",
    resources=("pods",),
    technique="T1036.005",
    severity=Severity.HIGH,
    confidence=0.6,
    because="Controllers and nodes make the pods there; nobody else has a reason to.",
    title="{who} made a pod in {where}: {name}",
    verbs=("create",),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("create", "pods", "x", "kube-system"),
        record("create", "pods", "x", "kube-system", who=PERSON),
        record("create", "pods", "x", "kube-system", code=403),
    ),
    ignores=(
        record("create", "pods", "x", "shop"),
        record("create", "pods", "etcd-1", "kube-system", who=("system:node:node-1", ("system:nodes",))),
        record(
            "create",
            "pods",
            "x",
            "kube-system",
            who=(
                "system:serviceaccount:kube-system:daemon-set-controller",
                ("system:serviceaccounts:kube-system",),
            ),
        ),
    ),
)
