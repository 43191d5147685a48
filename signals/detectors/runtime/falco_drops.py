"""Falco lost events: for a while it was blind on this node."""

from signals.detector import Detector, record, renamed
from signals.threats import Severity

SEEN = record(
    "Falco internal: syscall event drop",
    {"n_drops": "815508", "n_evts": "2270350", "ebpf_enabled": "1"},
    priority="Debug",
)

DETECTOR = Detector(
    name="falco_drops",
    rules=("Falco internal: *",),
    technique="T1562.006",
    severity=Severity.MEDIUM,
    confidence=0.3,
    because=(
        "Says nothing about an attack, only that one may have been missed; flooding a sensor is also "
        "a known way to blind it."
    ),
    title="Falco lost events on {where}: what happened there meanwhile was not seen",
    about_node=True,
    fires_on=(SEEN,),
    ignores=(renamed(SEEN, "Falco external: plugin"),),
)
