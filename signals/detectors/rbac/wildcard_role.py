"""A role is made that grants everything, or every resource of something."""

from typing import Any

from signals.audit_detector import PERSON, AuditDetector, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

GROUP = "rbac.authorization.k8s.io"
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def _wild(rule: Any) -> int:
    if not isinstance(rule, dict):
        return 0
    return sum("*" in (rule.get(name) or []) for name in ("verbs", "resources"))


def matches(event: AuditEvent) -> bool:
    """Return whether a rule of the role names all verbs or all resources."""
    return written(event, "create", "update", "patch") and any(map(_wild, event.body.get("rules") or []))


def grade(event: AuditEvent) -> Grade:
    """Grade by how much is granted: all verbs on all resources, in the whole cluster."""
    everything = max(map(_wild, event.body.get("rules") or []), default=0) == 2
    worst = everything and event.resource == "clusterroles"
    return Grade(
        severity=Severity.HIGH if worst else Severity.MEDIUM,
        confidence=0.5 if worst else 0.35,
        technique="T1098.006",
    )


DETECTOR = AuditDetector(
    name="wildcard_role",
    resources=("roles", "clusterroles"),
    technique="T1098.006",
    severity=Severity.HIGH,
    confidence=0.5,
    because="A role with `*` grants what nobody listed; some operators ship one, so not more.",
    title="{who} made a role that grants everything: {thing} {name} in {where}",
    verbs=("create", "update", "patch"),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("create", "clusterroles", "x", "", group=GROUP, who=PERSON, body={"rules": [ALL]}),
        record("patch", "roles", group=GROUP, body={"rules": [{"resources": ["pods"], "verbs": ["*"]}]}),
        record("create", "clusterroles", "x", "", group=GROUP, body={"rules": [ALL]}, code=403),
    ),
    ignores=(
        record(
            "create", "clusterroles", "x", "", body={"rules": [{"resources": ["pods"], "verbs": ["get"]}]}
        ),
        record("delete", "clusterroles", "x", ""),
        record("create", "clusterroles", "x", "", who=PERSON, body={"rules": [ALL]}, code=403),
        record(
            "create",
            "clusterroles",
            "x",
            "",
            who=("system:apiserver", ("system:masters",)),
            body={"rules": [ALL]},
        ),
    ),
)
