"""A server that never starts a shell started one."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Run shell untrusted",
    {
        "proc.name": "sh",
        "proc.cmdline": "sh -i",
        "proc.pname": "nginx",
        "user.name": "nginx",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="untrusted_shell",
    rules=("Run shell untrusted",),
    technique="T1059.004",
    severity=Severity.HIGH,
    confidence=0.5,
    because=(
        "What an exploited web server or database does first; thousands a day where start scripts do it too."
    ),
    title="{parent} in {where} started a shell ({process}), which such a server should not do",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Terminal shell in container"),),
)
