"""debugfs was started in a privileged container, from where it reads the node's disk."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Debugfs Launched in Privileged Container",
    {
        "proc.name": "debugfs",
        "proc.cmdline": "debugfs /dev/sda1",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="debugfs_escape",
    rules=("Debugfs Launched in Privileged Container",),
    technique="T1611",
    severity=Severity.HIGH,
    confidence=0.7,
    because="A known way to the node's files, and a tool that storage engineers do use in privileged pods.",
    title="{process} in {where}, which is privileged, opened the disk of its node",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Detect release_agent File Container Escapes"),),
)
