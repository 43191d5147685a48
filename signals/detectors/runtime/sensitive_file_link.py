"""A link was laid over a file that holds passwords or rights."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Create Symlink Over Sensitive Files",
    {
        "evt.arg.target": "/etc/shadow",
        "evt.arg.linkpath": "/srv/x",
        "proc.name": "ln",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="sensitive_file_link",
    rules=(
        "Create Symlink Over Sensitive Files",
        "Create Hardlink Over Sensitive Files",
    ),
    technique="T1555",
    severity=Severity.MEDIUM,
    confidence=0.5,
    because="A way around checks of a path; some image builds lay such links as well.",
    title="{process} in {where} laid a link to {file}",
    fires_on=(
        SEEN,
        renamed(SEEN, "Create Hardlink Over Sensitive Files"),
    ),
    ignores=(renamed(SEEN, "Read sensitive file untrusted"),),
)
