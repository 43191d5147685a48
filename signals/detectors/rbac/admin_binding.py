"""Somebody is made an administrator, or everybody is given something."""

from signals.audit_detector import ANONYMOUS, PERSON, AuditDetector, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

GROUP = "rbac.authorization.k8s.io"
ADMIN = {"kind": "ClusterRole", "name": "cluster-admin"}
STRONG = frozenset({"cluster-admin", "admin", "edit", "system:node", "system:kube-controller-manager"})
EVERYBODY = frozenset({*ANONYMOUS, "system:authenticated", "system:serviceaccounts"})
WEB = [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]
ALL = [{"kind": "Group", "name": "system:authenticated"}]


def _role(event: AuditEvent) -> str:
    return str((event.body.get("roleRef") or {}).get("name", ""))


def _crowd(event: AuditEvent) -> bool:
    subjects = event.body.get("subjects") or []
    return any(isinstance(one, dict) and one.get("name") in EVERYBODY for one in subjects)


def matches(event: AuditEvent) -> bool:
    """Return whether a binding grants an administrator's role in the cluster, or anything to everybody."""
    if not written(event, "create", "update", "patch"):
        return False
    everywhere = event.resource == "clusterrolebindings"
    strong = _role(event) in STRONG if everywhere else _role(event) == "cluster-admin"
    return strong or (_crowd(event) and not _role(event).startswith("system:"))


def grade(event: AuditEvent) -> Grade:
    """Grade by who gets it: an administrator's role for everybody has no harmless explanation."""
    strong = _role(event) in STRONG
    severity = Severity.CRITICAL if strong and _crowd(event) else Severity.HIGH if strong else Severity.MEDIUM
    confidence = 0.75 if strong and _crowd(event) else 0.55 if strong else 0.4
    return Grade(severity=severity, confidence=confidence, technique="T1098.006")


DETECTOR = AuditDetector(
    name="admin_binding",
    resources=("clusterrolebindings", "rolebindings"),
    technique="T1098.006",
    severity=Severity.HIGH,
    confidence=0.55,
    because="Who is bound to an administrator's role keeps it after the way in is closed. Installations do it too.",
    title="{who} granted an administrator's role: {thing} {name} in {where}",
    verbs=("create", "update", "patch"),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record(
            "create", "clusterrolebindings", "x", "", group=GROUP, body={"roleRef": ADMIN, "subjects": WEB}
        ),
        record(
            "create", "clusterrolebindings", "x", "", who=PERSON, body={"roleRef": ADMIN, "subjects": ALL}
        ),
        record("create", "rolebindings", body={"roleRef": {"name": "view"}, "subjects": ALL}),
        record("create", "clusterrolebindings", "x", "", body={"roleRef": ADMIN, "subjects": WEB}, code=403),
    ),
    ignores=(
        record("create", "clusterrolebindings", "x", "", body={"roleRef": {"name": "view"}, "subjects": WEB}),
        record("create", "rolebindings", body={"roleRef": {"name": "edit"}, "subjects": WEB}),
        record("delete", "clusterrolebindings", "x", "", body={"roleRef": ADMIN}),
        record("create", "rolebindings", body={"roleRef": {"name": "system:discovery"}, "subjects": ALL}),
    ),
)
