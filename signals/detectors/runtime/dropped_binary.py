"""A program runs that was not in the image: it was brought in after the start."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Drop and execute new binary in container",
    {"proc.name": "xmrig", "proc.exepath": "/opt/xmrig", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
    priority="Critical",
)

DETECTOR = Detector(
    name="dropped_binary",
    rules=("Drop and execute new binary in container",),
    technique="TA0003",
    severity=Severity.CRITICAL,
    confidence=0.82,
    because=(
        "An executable of the upper layer is foreign to the image. Self-updating software and "
        "operators that copy themselves do it as well, so only just enough to isolate alone; silence "
        "those by rule."
    ),
    title="{process} in {where} is a program that was not in the image and was brought in later",
    sufficient_alone=True,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Execution from /dev/shm"),),
)
