"""Somebody speaks to a kubelet through the API server, past everything that looks at pods."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

HARMLESS = ("/metrics", "/healthz", "/stats/summary", "/configz")


def matches(event: AuditEvent) -> bool:
    """Return whether more than measurements was asked for."""
    _, _, path = event.uri.partition("?")[0].partition("/proxy")
    disguised = ".." in path or "%" in path  # the API server resolves these before it asks the kubelet
    return disguised or not path.startswith(HARMLESS)


def grade(event: AuditEvent) -> Grade:
    """Grade by who asked."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.MEDIUM,
        confidence=0.6 if workload else 0.4,
        technique="T1609",
    )


DETECTOR = AuditDetector(
    name="node_proxy",
    resources=("nodes/proxy",),
    technique="T1609",
    severity=Severity.HIGH,
    confidence=0.6,
    because="Through `nodes/proxy` a kubelet runs commands in any pod, and no exec of a pod is in the audit log.",
    title="{who} speaks to the kubelet of node {name} through the API server",
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("create", "nodes/proxy", "n", "", uri="/api/v1/nodes/n/proxy/run/shop/web-0/c?cmd=id"),
        record("get", "nodes/proxy", "n", "", who=PERSON, uri="/api/v1/nodes/n/proxy/pods"),
        record("get", "nodes/proxy", "n", "", uri="/api/v1/nodes/n/proxy/pods", code=403),
        record("get", "nodes/proxy", "n", "", uri="/api/v1/nodes/n/proxy/metrics/../run/shop/web-0/c?cmd=id"),
        record("get", "nodes/proxy", "n", "", uri="/api/v1/nodes/n/proxy/metrics/%2e%2e/run/shop/web-0/c"),
    ),
    ignores=(
        record("get", "nodes/proxy", "n", "", uri="/api/v1/nodes/n/proxy/metrics/cadvisor"),
        record("get", "nodes/status", "n", ""),
    ),
)
