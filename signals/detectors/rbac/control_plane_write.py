"""Our executor wrote to what the cluster itself runs on: expected only where a person has approved just that."""

from signals.audit_detector import PERSON, AuditDetector, of_ours, record
from signals.subjects import FLAGGED_CONTROL_PLANE, REMEDIATION_EXECUTOR, service_account
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

EXECUTOR = (service_account(REMEDIATION_EXECUTOR), ("system:serviceaccounts",))
FLAG = f'[{{"message":"control plane: host","policy":"{FLAGGED_CONTROL_PLANE}"}}]'


def matches(event: AuditEvent) -> bool:
    """Return whether the API server itself marked a write of ours that took effect."""
    return FLAGGED_CONTROL_PLANE in event.flagged and of_ours(event) and not event.dry_run


DETECTOR = AuditDetector(
    name="control_plane_write",
    resources=("pods",),
    technique="T1489",
    severity=Severity.HIGH,
    confidence=0.5,
    because=(
        "The cluster's own copy of the control-plane predicate marked it. No policy can see an approval, so this "
        "is told every time: compare it with what was approved."
    ),
    title="Firebreak wrote to a pod of the control plane, {name} in {where}: right only if a person approved it",
    verbs=("update", "patch"),
    matches=matches,
    spares=False,
    fires_on=(record("patch", "pods", "etcd-1", "kube-system", who=EXECUTOR, flagged=FLAG),),
    ignores=(
        record("patch", "pods", "web-0", who=EXECUTOR),
        record("patch", "pods", "etcd-1", who=EXECUTOR, flagged=FLAG, uri="/x?dryRun=All"),
        record("patch", "pods", "etcd-1", who=PERSON, flagged=FLAG),
    ),
)
