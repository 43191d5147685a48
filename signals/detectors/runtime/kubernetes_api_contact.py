"""A container talks to the Kubernetes API server, and is none that is known to."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Contact K8S API Server From Container",
    {
        "fd.name": "10.20.0.14:41822->10.96.0.1:443",
        "proc.name": "curl",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="kubernetes_api_contact",
    rules=("Contact K8S API Server From Container",),
    technique="T1565",
    severity=Severity.LOW,
    confidence=0.3,
    because=(
        "Tens of thousands a day in an ordinary cluster: every operator does it. Worth a line in a story."
    ),
    title="{process} in {where} talks to the Kubernetes API server at {peer}",
    peer=peer,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Outbound Connection to C2 Servers"),),
)
