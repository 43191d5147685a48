"""A file was read through `../`, past what the program meant to serve."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Directory traversal monitored file read",
    {"fd.name": "/etc/shadow", "proc.name": "nginx", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
)

DETECTOR = Detector(
    name="directory_traversal",
    rules=("Directory traversal monitored file read",),
    technique="T1555",
    severity=Severity.HIGH,
    confidence=0.55,
    because=(
        "The path was climbed to a monitored file: typical of an exploited web server, also of clumsy "
        "scripts."
    ),
    title="{process} in {where} climbed out of its folder and read {file}",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Read sensitive file untrusted"),),
)
