"""A pod asks the cloud's metadata service, which hands out the node's credentials."""

from signals.connections import peer
from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Contact EC2 Instance Metadata Service From Container",
    {
        "fd.name": "10.20.0.14:41822->169.254.169.254:80",
        "proc.name": "curl",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="cloud_metadata_contact",
    rules=(
        "Contact EC2 Instance Metadata Service From Container",
        "Contact cloud metadata service from container",
        "Contact GCP Instance Metadata Service From Container",
        "Contact Azure Instance Metadata Service From Container",
    ),
    technique="T1552.005",
    severity=Severity.HIGH,
    confidence=0.65,
    because=(
        "The way to the node's cloud role. SDKs ask as well when nothing better is set up, so the "
        "flow is closed and no more."
    ),
    title="{process} in {where} asked the cloud's metadata service at {peer} for credentials",
    peer=peer,
    fires_on=(
        SEEN,
        renamed(SEEN, "Contact cloud metadata service from container"),
        renamed(SEEN, "Contact GCP Instance Metadata Service From Container"),
        renamed(SEEN, "Contact Azure Instance Metadata Service From Container"),
    ),
    ignores=(renamed(SEEN, "Contact K8S API Server From Container"),),
)
