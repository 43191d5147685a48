"""A log was emptied or changed, as one does to hide."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Clear Log Activities",
    {"fd.name": "/var/log/auth.log", "proc.name": "truncate", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
)

DETECTOR = Detector(
    name="log_tampering",
    rules=("Clear Log Activities",),
    technique="T1070",
    severity=Severity.MEDIUM,
    confidence=0.5,
    because="Log rotation does it every night, in ways that Falco's list of exceptions knows only in part.",
    title="{process} in {where} emptied the log {file}",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Remove Bulk Data from Disk"),),
)
