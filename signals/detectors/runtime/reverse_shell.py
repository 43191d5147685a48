"""Somebody types commands from outside: a shell has its input and output on a connection."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Redirect STDOUT/STDIN to Network Connection in Container",
    {
        "fd.sip": "203.0.113.66",
        "fd.name": "10.20.0.14:41822->203.0.113.66:4444",
        "proc.name": "sh",
        "proc.cmdline": "sh -i",
        "proc.pname": "nginx",
        "user.name": "nginx",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="reverse_shell",
    rules=("Redirect STDOUT/STDIN to Network Connection in Container",),
    technique="T1059",
    severity=Severity.CRITICAL,
    confidence=0.9,
    because=(
        "The standard streams of a process in a container end in a socket: what reverse shells are "
        "made of. Known harmless cases are few (a debugger, an inetd-style server), so not certainty."
    ),
    title="{process} in {where} takes its commands from a connection to {peer}: a reverse shell",
    sufficient_alone=True,
    peer=peer,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Terminal shell in container"),),
)
