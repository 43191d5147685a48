"""A role or binding of the control plane itself is changed, for everybody who has it."""

from signals.audit_detector import PERSON, AuditDetector, record, written
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity


def matches(event: AuditEvent) -> bool:
    """Return whether a role or binding of the system was written, other than by the system."""
    return event.name.startswith("system:") and written(event, "update", "patch", "delete")


DETECTOR = AuditDetector(
    name="system_role_changed",
    resources=("clusterroles", "clusterrolebindings", "roles", "rolebindings"),
    technique="T1098.006",
    severity=Severity.HIGH,
    confidence=0.6,
    because="The API server keeps these up to date itself; what others add to them is granted unnoticed.",
    title="{who} changed what the control plane itself is granted: {thing} {name}",
    verbs=("update", "patch", "delete"),
    matches=matches,
    attempts=True,
    fires_on=(
        record("patch", "clusterroles", "system:discovery", "", who=PERSON),
        record("update", "clusterrolebindings", "system:basic-user", "", code=403),
    ),
    ignores=(
        record("patch", "clusterroles", "shop-reader", ""),
        record("get", "clusterroles", "system:discovery", ""),
        record("update", "clusterroles", "system:x", "", who=("system:apiserver", ("system:masters",))),
    ),
)
