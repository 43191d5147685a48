"""A connection goes to a pool of cryptocurrency miners."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Detect outbound connections to common miner pool ports",
    {
        "fd.name": "10.20.0.14:41822->203.0.113.90:3333",
        "proc.name": "xmrig",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Critical",
)

DETECTOR = Detector(
    name="miner_contact",
    rules=(
        "Detect outbound connections to common miner pool ports",
        "Detect crypto miners using the Stratum protocol",
    ),
    technique="T1496",
    severity=Severity.HIGH,
    confidence=0.75,
    because="Ports and names of known pools: few legitimate services share them.",
    title="{process} in {where} talks to {peer}, as cryptocurrency miners do",
    peer=peer,
    fires_on=(
        SEEN,
        renamed(SEEN, "Detect crypto miners using the Stratum protocol"),
    ),
    ignores=(renamed(SEEN, "Unexpected outbound connection destination"),),
)
