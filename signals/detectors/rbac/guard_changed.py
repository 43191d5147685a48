"""What confines or detects is changed or deleted: our admission policies, kinds, roles and bindings."""

from signals.audit_detector import PERSON, AuditDetector, of_ours, record, written
from signals.subjects import NAMESPACE, REMEDIATION_EXECUTOR, service_account
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


EXECUTOR = (service_account(REMEDIATION_EXECUTOR), ("system:serviceaccounts",))


def _daily(event: AuditEvent) -> bool:
    """Return whether an agent enrols a namespace or captures in one: a cage lets it make no other RoleBinding."""
    return event.resource == "rolebindings" and event.namespace != NAMESPACE and of_ours(event)


def matches(event: AuditEvent) -> bool:
    """Return whether an object that the installation brought was written. A collection counts: it may hold ours."""
    if _daily(event):
        return False
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
    sufficient_alone=True,
    compares=True,
    fires_on=(
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", group=GROUP, who=PERSON),
        record("patch", "validatingadmissionpolicybindings", "firebreak-lock-pods", "", group=GROUP),
        record("deletecollection", "validatingadmissionpolicies", "", "", group=GROUP, who=PERSON),
        record("update", "clusterroles", "firebreak-remediation-executor", ""),
        record("delete", "customresourcedefinitions", "enrolments.firebreak.dev", ""),
        record("delete", "rolebindings", "firebreak-liaison-here", NAMESPACE, who=EXECUTOR),
        record("delete", "rolebindings", "firebreak-remediation-executor", "shop", who=PERSON),
    ),
    ignores=(
        record("delete", "validatingadmissionpolicies", "somebody-elses", "", group=GROUP),
        record("get", "validatingadmissionpolicies", "firebreak-lock-pods", "", group=GROUP),
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", uri="/x?dryRun=All"),
        record("delete", "validatingadmissionpolicies", "firebreak-lock-pods", "", code=403),
        record("create", "rolebindings", "firebreak-shop-web-0-1a2b3c4d-capture-evidence", who=EXECUTOR),
    ),
)
