"""A container opened a raw socket, from which it can listen in or forge packets."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Packet socket created in container",
    {
        "proc.name": "tcpdump",
        "proc.cmdline": "tcpdump -i eth0",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
    priority="Notice",
)

DETECTOR = Detector(
    name="packet_socket",
    rules=("Packet socket created in container",),
    technique="T1557.002",
    severity=Severity.MEDIUM,
    confidence=0.4,
    because="What one needs for ARP spoofing, and what every network plug-in and tcpdump does all day.",
    title="{process} in {where} opened a raw socket and can listen in on the network",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Unexpected UDP Traffic"),),
)
