"""Somebody has an interactive shell in a container."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Terminal shell in container",
    {
        "proc.name": "sh",
        "proc.cmdline": "sh -i",
        "proc.pname": "nginx",
        "user.name": "nginx",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
        "proc.tty": 34816,
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="terminal_shell",
    rules=("Terminal shell in container",),
    technique="T1059",
    severity=Severity.MEDIUM,
    confidence=0.45,
    because="kubectl exec by a colleague looks just like an intruder, and is far more common.",
    title="{user} opened an interactive shell ({process}) in {where}",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Run shell untrusted"),),
)
