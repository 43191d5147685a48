"""A container loads code into the kernel of its node."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Linux Kernel Module Injection Detected",
    {
        "proc.name": "insmod",
        "proc.cmdline": "insmod rootkit.ko",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="kernel_module",
    rules=("Linux Kernel Module Injection Detected",),
    technique="TA0003",
    severity=Severity.CRITICAL,
    confidence=0.75,
    because="A rootkit or a driver: network and storage plug-ins load modules from privileged containers.",
    title="{process} in {where} loads a module into the kernel of its node",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Read sensitive file untrusted"),),
)
