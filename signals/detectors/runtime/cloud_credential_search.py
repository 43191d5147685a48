"""Somebody searches for the credentials of a cloud account."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Find AWS Credentials",
    {
        "proc.name": "grep",
        "proc.cmdline": "grep -r aws_access_key_id /root",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-0",
    },
)

DETECTOR = Detector(
    name="cloud_credential_search",
    rules=("Find AWS Credentials",),
    technique="T1552",
    severity=Severity.HIGH,
    confidence=0.55,
    because="An intruder's way from a pod to the account; a secret scanner in a pipeline looks the same.",
    title="{process} in {where} searches for credentials of the cloud account",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Search Private Keys or Passwords"),),
)
