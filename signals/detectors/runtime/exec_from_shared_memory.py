"""A program runs from /dev/shm, where no program belongs."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Execution from /dev/shm",
    {
        "proc.name": "a",
        "proc.exepath": "/run/shm/a",
        "proc.cmdline": "/run/shm/a",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="exec_from_shared_memory",
    rules=("Execution from /dev/shm",),
    technique="T1059.004",
    severity=Severity.HIGH,
    confidence=0.7,
    because="Writable, in memory and in every container: a favourite of malware. Some test tools use it too.",
    title="{process} in {where} was started from shared memory (/dev/shm)",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Fileless execution via memfd_create"),),
)
