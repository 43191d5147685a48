"""A program read a file that holds passwords or rights."""

from signals.detector import Detector, Grade, record, renamed
from signals.telemetry.falco import Alert
from signals.threats import Severity

OWN_CREDENTIAL = "/serviceaccount/token"
"""The end of the path of a pod's own token, wherever the volume is mounted."""
TOOLS = frozenset(
    {"cat", "head", "tail", "less", "more", "base64", "xxd", "od", "dd", "cp", "tar", "curl", "wget"}
)
"""What people read a file with. A workload reads its token with its own binary."""

SEEN = record(
    "Read sensitive file untrusted",
    {
        "fd.name": "/etc/shadow",
        "proc.name": "cat",
        "user.name": "root",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)


def grade(alert: Alert) -> Grade:
    """Return a higher grade where somebody takes the pod's own token by hand: it is the way into the cluster."""
    if alert.text("fd.name").endswith(OWN_CREDENTIAL) and alert.text("proc.name") in TOOLS:
        return Grade(severity=Severity.HIGH, confidence=0.7, technique="T1528")
    return Grade(severity=DETECTOR.severity, confidence=DETECTOR.confidence, technique=DETECTOR.technique)


DETECTOR = Detector(
    name="sensitive_file_read",
    rules=(
        "Read sensitive file untrusted",
        "Read sensitive file trusted after startup",
    ),
    technique="T1555",
    severity=Severity.MEDIUM,
    confidence=0.45,
    because=(
        "Monitoring agents, package managers and PAM read the same files: a hint beside others, alone a note."
        " A pod's own token, read with a tool that people read files with, is 0.7 (T1528)."
    ),
    title="{process} in {where} read {file}",
    grade=grade,
    fires_on=(
        SEEN,
        renamed(SEEN, "Read sensitive file trusted after startup"),
    ),
    ignores=(renamed(SEEN, "Directory traversal monitored file read"),),
)
