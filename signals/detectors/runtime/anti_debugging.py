"""A process traces itself, so that nobody else can look into it."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "PTRACE anti-debug attempt",
    {"proc.name": "a.out", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
    priority="Notice",
)

DETECTOR = Detector(
    name="anti_debugging",
    rules=("PTRACE anti-debug attempt",),
    technique="T1622",
    severity=Severity.LOW,
    confidence=0.35,
    because="Malware hides so; licence checks and sandboxes do it too.",
    title="{process} in {where} keeps debuggers out of itself",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "PTRACE attached to process"),),
)
