"""A program read a file that holds passwords or rights."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

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
    ),
    title="{process} in {where} read {file}",
    fires_on=(
        SEEN,
        renamed(SEEN, "Read sensitive file trusted after startup"),
    ),
    ignores=(renamed(SEEN, "Directory traversal monitored file read"),),
)
