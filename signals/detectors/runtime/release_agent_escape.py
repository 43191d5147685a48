"""A container writes the cgroup file that makes the kernel run a program on the node."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Detect release_agent File Container Escapes",
    {
        "fd.name": "/sys/fs/cgroup/rdma/release_agent",
        "proc.name": "sh",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Critical",
)

DETECTOR = Detector(
    name="release_agent_escape",
    rules=("Detect release_agent File Container Escapes",),
    technique="T1611",
    severity=Severity.CRITICAL,
    confidence=0.9,
    because=(
        "Writing release_agent from a privileged container is a published escape, and next to nothing else."
    ),
    title="{process} in {where} wrote {file}: an attempt to break out of the container onto its node",
    sufficient_alone=True,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Debugfs Launched in Privileged Container"),),
)
