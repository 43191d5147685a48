"""A rule that no other detector knows: graded by the priority and the tags that its author gave it."""

import re

from signals.connections import peer
from signals.detector import Detector, Grade, record
from signals.telemetry.falco import Alert
from signals.threats import Severity

GRADES = {
    "emergency": (Severity.CRITICAL, 0.55),
    "alert": (Severity.CRITICAL, 0.55),
    "critical": (Severity.CRITICAL, 0.55),
    "error": (Severity.HIGH, 0.5),
    "warning": (Severity.MEDIUM, 0.4),
    "notice": (Severity.LOW, 0.3),
    "informational": (Severity.INFO, 0.15),
    "info": (Severity.INFO, 0.15),
    "debug": (Severity.INFO, 0.1),
}
"""Priority (in lower case) → severity and confidence: always below what acts, until the policy says more."""
UNKNOWN = (Severity.MEDIUM, 0.4)
"""Without a priority that we know."""
NOISY = {"maturity_sandbox": 0.1, "maturity_incubating": 0.05, "maturity_deprecated": 0.1}
"""Tags by which Falco's own authors say that a rule needs tuning → what they cost in confidence."""
TACTICS = {
    "mitre_initial_access": "TA0001",
    "mitre_execution": "TA0002",
    "mitre_persistence": "TA0003",
    "mitre_privilege_escalation": "TA0004",
    "mitre_defense_evasion": "TA0005",
    "mitre_credential_access": "TA0006",
    "mitre_discovery": "TA0007",
    "mitre_lateral_movement": "TA0008",
    "mitre_collection": "TA0009",
    "mitre_exfiltration": "TA0010",
    "mitre_command_and_control": "TA0011",
    "mitre_impact": "TA0040",
}

_TECHNIQUE = re.compile(r"(?:T\d{4}(?:\.\d{3})?|TA\d{4})")
_TACTIC_NUMBER = re.compile(r"TA\d{4}")


def technique(tags: tuple[str, ...]) -> str | None:
    """Return the most exact ATT&CK technique or tactic that the tags name."""
    numbers = [tag for tag in tags if _TECHNIQUE.fullmatch(tag)]
    exact = [number for number in numbers if not _TACTIC_NUMBER.fullmatch(number)]
    named = [TACTICS[tag] for tag in tags if tag in TACTICS]
    return next(iter([*exact, *numbers, *named]), None)


def grade(alert: Alert) -> Grade:
    """Return the grade that a rule's author gave it."""
    severity, confidence = GRADES.get(alert.priority.casefold(), UNKNOWN)
    noise = max((NOISY.get(tag, 0.0) for tag in alert.tags), default=0.0)
    return Grade(
        severity=severity,
        confidence=round(max(confidence - noise, 0.05), 2),
        technique=technique(alert.tags),
    )


SEEN = record(
    "Our own rule", {"proc.name": "x"}, priority="Error", tags=("T1036.005", "mitre_defense_evasion")
)

DETECTOR = Detector(
    name="unlisted_rule",
    rules=("*",),
    technique=None,
    severity=UNKNOWN[0],
    confidence=UNKNOWN[1],
    because="Its author knows how bad it is; how often it is wrong, nobody has told us.",
    title="{process} in {where} set off the rule “{rule}”",
    peer=peer,
    grade=grade,
    fires_on=(SEEN, record("Another rule of ours", priority="")),
    ignores=(record("Terminal shell in container"), record("Falco internal: syscall event drop")),
)
