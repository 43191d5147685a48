"""The API server does something for somebody who has not said who they are."""

from signals.audit_detector import PERSON, AuditDetector, of_nobody, record
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

PUBLIC = ("/livez", "/readyz", "/healthz", "/version", "/openid/", "/.well-known/")
NOBODY = ("system:anonymous", ("system:unauthenticated",))


def matches(event: AuditEvent) -> bool:
    """Return whether something beyond health, version and public keys was answered."""
    joining = event.resource == "configmaps" and event.namespace == "kube-public" and event.verb == "get"
    return of_nobody(event) and not event.uri.startswith(PUBLIC) and not joining


DETECTOR = AuditDetector(
    name="anonymous_access",
    resources=("*",),
    technique="T1190",
    severity=Severity.HIGH,
    confidence=0.7,
    because="Anonymous users are allowed only health, version and public keys, unless somebody has granted more.",
    title="Somebody who is not authenticated was allowed {thing} in {where}",
    matches=matches,
    fires_on=(record("list", "pods", "", "shop", who=NOBODY, uri="/api/v1/namespaces/shop/pods"),),
    ignores=(
        record("get", "", "", "", who=NOBODY, uri="/readyz?verbose"),
        record("get", "configmaps", "cluster-info", "kube-public", who=NOBODY, uri="/api/v1/x"),
        record("list", "pods", "", "shop", who=NOBODY, code=403),
        record("list", "pods", "", "shop", who=PERSON),
    ),
)
