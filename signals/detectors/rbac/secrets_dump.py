"""All secrets of the cluster are listed."""

from signals.audit_detector import PERSON, AuditDetector, of_workload, record
from signals.detector import Grade
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity


def matches(event: AuditEvent) -> bool:
    """Return whether secrets were listed or watched in all namespaces."""
    return event.verb in ("list", "watch") and not event.namespace and not event.subresource


def grade(event: AuditEvent) -> Grade:
    """Grade by who: a person looks around, a workload has a list of namespaces to look into, or is stolen."""
    workload = of_workload(event)
    return Grade(
        severity=Severity.HIGH if workload else Severity.LOW,
        confidence=0.55 if workload else 0.25,
        technique="T1552.007",
    )


DETECTOR = AuditDetector(
    name="secrets_dump",
    resources=("secrets",),
    technique="T1552.007",
    severity=Severity.HIGH,
    confidence=0.55,
    because=(
        "One request returns every secret of the cluster. Some controllers watch them all: name theirs as trusted."
    ),
    title="{who} listed the secrets of the whole cluster",
    verbs=("list", "watch"),
    matches=matches,
    attempts=True,
    grade=grade,
    fires_on=(
        record("list", "secrets", "", ""),
        record("watch", "secrets", "", "", who=PERSON),
        record("list", "secrets", "", "", code=403),
    ),
    ignores=(
        record("list", "secrets", "", "shop"),
        record("get", "secrets", "x", "shop"),
        record("list", "secrets", "", "", who=PERSON, code=403),
        record("list", "secrets", "", "", who=("system:apiserver", ("system:masters",))),
    ),
)
