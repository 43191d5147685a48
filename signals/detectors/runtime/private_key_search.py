"""Somebody searches the file system for keys and passwords."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Search Private Keys or Passwords",
    {
        "proc.name": "find",
        "proc.cmdline": "find / -name id_rsa",
        "user.name": "root",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="private_key_search",
    rules=("Search Private Keys or Passwords",),
    technique="T1552.001",
    severity=Severity.HIGH,
    confidence=0.55,
    because="The first thing an intruder does. Scanners and backup scripts search for the same names.",
    title="{process} in {where} searches for private keys or passwords",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Find AWS Credentials"),),
)
