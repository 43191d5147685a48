"""A client certificate is approved: a way in that no token's end closes."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record, written
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

CLIENT = "kubernetes.io/kube-apiserver-client"
APPROVED = {"conditions": ["Approved"], "signerName": CLIENT}


def matches(event: AuditEvent) -> bool:
    """Return whether a certificate for a client of the API server was approved, or one of an unknown signer."""
    signer = event.body.get("signerName", CLIENT)
    return (
        written(event, "update", "patch") and signer == CLIENT and event.body.get("conditions") != ["Denied"]
    )


def grade(event: AuditEvent) -> Grade:
    """Grade by who approved it."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH,
        confidence=0.6 if workload else 0.4,
        technique="T1098",
    )


DETECTOR = AuditDetector(
    name="certificate_approval",
    resources=("certificatesigningrequests/approval",),
    technique="T1098",
    severity=Severity.HIGH,
    confidence=0.4,
    because="A client certificate cannot be revoked before it ends. Those of nodes are other signers'.",
    title="{who} approved a client certificate of the API server: {name}",
    verbs=("update", "patch"),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("update", "certificatesigningrequests/approval", "x", "", who=PERSON, body=APPROVED),
        record("patch", "certificatesigningrequests/approval", "x", ""),
        record("patch", "certificatesigningrequests/approval", "x", "", code=403),
    ),
    ignores=(
        record(
            "update",
            "certificatesigningrequests/approval",
            "x",
            "",
            body={**APPROVED, "conditions": ["Denied"]},
        ),
        record(
            "update",
            "certificatesigningrequests/approval",
            "x",
            "",
            who=PERSON,
            body={**APPROVED, "signerName": "kubernetes.io/kubelet-serving"},
        ),
        record("get", "certificatesigningrequests/approval", "x", ""),
    ),
)
