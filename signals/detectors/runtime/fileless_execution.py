"""A program runs from memory alone, and leaves nothing on a disk."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Fileless execution via memfd_create",
    {"proc.name": "a.out", "proc.exepath": "memfd:kworker", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
    priority="Critical",
)

DETECTOR = Detector(
    name="fileless_execution",
    rules=("Fileless execution via memfd_create",),
    technique="T1620",
    severity=Severity.CRITICAL,
    confidence=0.85,
    because="Falco excludes the container runtime itself; what else runs a program out of a memfd hides it.",
    title="{process} in {where} runs from memory and is in no file",
    sufficient_alone=True,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Drop and execute new binary in container"),),
)
