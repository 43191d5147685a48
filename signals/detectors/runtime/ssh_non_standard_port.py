"""An SSH connection goes to a port that is not SSH's."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Disallowed SSH Connection Non Standard Port",
    {
        "fd.name": "10.20.0.14:41822->203.0.113.66:2222",
        "proc.name": "ssh",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="ssh_non_standard_port",
    rules=("Disallowed SSH Connection Non Standard Port",),
    technique="T1059",
    severity=Severity.MEDIUM,
    confidence=0.55,
    because="Tunnels hide on such ports, and so do Git servers and bastions.",
    title="{process} in {where} opened an SSH connection to {peer}, not SSH's usual port",
    peer=peer,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Disallowed SSH Connection"),),
)
