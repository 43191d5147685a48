"""One of our own agents asks for something that it never asks for: its identity is in other hands."""

from signals.audit_detector import PERSON, AuditDetector, of_ours, record
from signals.subjects import REMEDIATION_EXECUTOR, service_account
from signals.telemetry.audit import AuditEvent
from signals.threats import Severity

CAGE = "ValidatingAdmissionPolicy 'firebreak-"
EXECUTOR = (service_account(REMEDIATION_EXECUTOR), ("system:serviceaccounts",))
SAID = f"networkpolicies is forbidden: {CAGE}executor-networkpolicy-cage' denied request"


def matches(event: AuditEvent) -> bool:
    """Return whether a policy of ours refused a request of an agent of ours."""
    return CAGE in event.message and of_ours(event)


DETECTOR = AuditDetector(
    name="agent_out_of_its_cage",
    resources=("*",),
    technique="T1078",
    severity=Severity.CRITICAL,
    confidence=0.9,
    because="Our agents write only shapes that their cages allow; what a cage refuses was not our code.",
    title="{who}, an agent of Firebreak, asked for what it never asks for ({thing} {name} in {where}): refused",
    matches=matches,
    refused=True,
    spares=False,
    sufficient_alone=True,
    fires_on=(record("create", "networkpolicies", who=EXECUTOR, code=422, message=SAID),),
    ignores=(
        record("create", "networkpolicies", who=PERSON, code=422, message=SAID),
        record("list", "pods", who=EXECUTOR, code=403, message="pods is forbidden: not enrolled"),
        record("create", "networkpolicies", who=EXECUTOR),
    ),
)
