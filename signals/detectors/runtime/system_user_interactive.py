"""An account that belongs to a service ran a command by hand."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "System user interactive",
    {"proc.name": "bash", "user.name": "www-data", "k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
    priority="Informational",
)

DETECTOR = Detector(
    name="system_user_interactive",
    rules=("System user interactive",),
    technique="T1059",
    severity=Severity.LOW,
    confidence=0.35,
    because="Service accounts do not log in; packaged scripts that run as them are the usual explanation.",
    title="The service account {user} ran {process} interactively in {where}",
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Terminal shell in container"),),
)
