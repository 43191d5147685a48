"""One process took hold of another with ptrace."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "PTRACE attached to process",
    {"proc.name": "gdb", "proc.cmdline": "gdb -p 1", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
)

DETECTOR = Detector(
    name="process_injection",
    rules=("PTRACE attached to process",),
    technique="T1055.008",
    severity=Severity.HIGH,
    confidence=0.55,
    because=(
        "Injection of code, or a debugger or profiler at work; rare enough in production to be looked at."
    ),
    title="{process} in {where} took hold of another process (ptrace) and can change what it does",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "PTRACE anti-debug attempt"),),
)
