"""A connection goes out to where this workload has no business."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Outbound Connection to C2 Servers",
    {
        "fd.name": "10.20.0.14:41822->203.0.113.80:443",
        "proc.name": "nginx",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="suspicious_egress",
    rules=(
        "Outbound Connection to C2 Servers",
        "Unexpected outbound connection destination",
    ),
    technique="T1071",
    severity=Severity.HIGH,
    confidence=0.7,
    because=(
        "The rule works from a list of addresses, and lists age: sure enough to close one flow for a "
        "while, which costs little if it was wrong, not to stop a pod."
    ),
    title="{process} in {where} connected to {peer}, where it has no known business",
    peer=peer,
    fires_on=(
        SEEN,
        renamed(SEEN, "Unexpected outbound connection destination"),
    ),
    ignores=(renamed(SEEN, "Contact K8S API Server From Container"),),
)
