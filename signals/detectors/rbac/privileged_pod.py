"""A pod is made that can leave its container: privileged, on the node's namespaces, or with its files."""

from typing import Any

from signals.audit_detector import PERSON, AuditDetector, of_workload, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

CAPABILITIES = frozenset(
    {"SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "BPF", "SYS_RAWIO", "ALL"}
)
ROOT = {"hostPaths": ["/"], "containers": [{"name": "c"}]}
PRIVILEGED = {"containers": [{"name": "c", "securityContext": {"privileged": True}}]}


def _strong(container: Any) -> bool:
    context = (container.get("securityContext") if isinstance(container, dict) else None) or {}
    added = (context.get("capabilities") or {}).get("add") or []
    return bool(context.get("privileged")) or bool(CAPABILITIES & set(map(str, added)))


def matches(event: AuditEvent) -> bool:
    """Return whether the pod reaches its node."""
    body = event.body
    on_host = any(body.get(name) for name in ("hostPID", "hostIPC", "hostNetwork"))
    reaches = on_host or bool(body.get("hostPaths")) or any(map(_strong, body.get("containers") or []))
    return written(event, "create") and reaches


def grade(event: AuditEvent) -> Grade:
    """Grade by who made it."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.MEDIUM,
        confidence=0.65 if workload else 0.35,
        technique="T1611",
    )


DETECTOR = AuditDetector(
    name="privileged_pod",
    resources=("pods",),
    technique="T1611",
    severity=Severity.HIGH,
    confidence=0.65,
    because="Privileged pods come from controllers; one made directly by a workload is a way to the node.",
    title="{who} made a pod that can leave its container: {name} in {where}",
    verbs=("create",),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("create", "pods", body=PRIVILEGED),
        record("create", "pods", who=PERSON, body=ROOT),
        record("create", "pods", body={"hostPID": True}),
        record(
            "create",
            "pods",
            body={"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
        ),
        record("create", "pods", body=PRIVILEGED, code=403),
    ),
    ignores=(
        record("create", "pods", body={"containers": [{"name": "c"}]}),
        record("create", "pods", body=PRIVILEGED, uri="/x?dryRun=All"),
        record(
            "create",
            "pods",
            who=(
                "system:serviceaccount:kube-system:replicaset-controller",
                ("system:serviceaccounts:kube-system",),
            ),
            body=PRIVILEGED,
        ),
    ),
)
