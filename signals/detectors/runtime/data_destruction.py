"""Data is wiped from a disk in bulk."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Remove Bulk Data from Disk",
    {
        "proc.name": "shred",
        "proc.cmdline": "shred -u /data/db",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="data_destruction",
    rules=("Remove Bulk Data from Disk",),
    technique="T1485",
    severity=Severity.HIGH,
    confidence=0.55,
    because=(
        "shred and mkfs destroy for attackers and for storage provisioners alike; a person should look soon."
    ),
    title="{process} in {where} wipes data from a disk",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Clear Log Activities"),),
)
