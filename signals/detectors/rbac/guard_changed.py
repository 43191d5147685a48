"""What confines or detects is changed or deleted: our admission policies, kinds, roles and bindings."""

from signals.auditing import PERSON, AuditDetector, record, written
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

RESOURCES = (
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "customresourcedefinitions",
)
GROUP = "admissionregistration.k8s.io"


def matches(event: AuditEvent) -> bool:
    """Return whether an object that the installation brought was written. A collection counts: it may hold ours."""
    ours = event.name.startswith("firebreak-") or event.name.endswith(".firebreak.dev")
    collection = event.verb == "deletecollection" and event.resource in RESOURCES[:2]
    return (ours or collection) and written(event, "create", "update", "patch", "delete", "deletecollection")


DETECTOR = AuditDetector(
    name="guard_changed",
    resources=RESOURCES,
    technique="T1562.001",
    severity=Severity.CRITICAL,
    confidence=0.9,
    because=(
        "No admission policy sees a write to admission policies, so nothing can refuse this. Installing and "
        "upgrading is not counted: what is as it was shipped raises nothing."
    ),
    title="{who} changed or deleted what guards Firebreak: {thing} {name}",
    verbs=("create", "update", "patch", "delete", "deletecollection"),
    matches=matches,
    spares=False,
    compares=True,
    fires_on=(
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", group=GROUP, who=PERSON),
        record("patch", "validatingadmissionpolicybindings", "firebreak-lock-pods", "", group=GROUP),
        record("deletecollection", "validatingadmissionpolicies", "", "", group=GROUP, who=PERSON),
        record("update", "clusterroles", "firebreak-remediation-executor", ""),
        record("delete", "customresourcedefinitions", "enrolments.firebreak.dev", ""),
    ),
    ignores=(
        record("delete", "validatingadmissionpolicies", "somebody-elses", "", group=GROUP),
        record("get", "validatingadmissionpolicies", "firebreak-lock-pods", "", group=GROUP),
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", uri="/x?dryRun=All"),
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", code=403),
    ),
)
