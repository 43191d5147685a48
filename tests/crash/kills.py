"""What is killed in a trial, and when: drawn from the trial's own seed, so that it can be drawn again."""

import random
from dataclasses import dataclass

from signals.subjects import (
    AGENTS,
    CREDENTIAL_FREEZER,
    LIAISON,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    RUNTIME_GUARDIAN,
)
from tests.crash.mortal import ACKNOWLEDGE, PASS_ON, WRITE

RESPONSE, APPROVAL, UNDO = "response", "approval", "undo"
"""While alerts are answered, while a person approves, while a person undoes."""
SERVERS = ("temporal", "nats", "kube-apiserver", "etcd")
LONGEST = 2.5
"""Seconds from the beginning of a phase within which a process is killed at a random instant."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One `kill -9`: at a point of the process's work, or `delay` seconds after the phase began."""

    process: str
    phase: str
    point: str = ""
    moment: str = ""
    nth: int = 1
    delay: float = 0.0

    def __str__(self) -> str:
        """Return it as a person would say it."""
        if not self.point:
            return f"{self.process} killed {self.delay:.2f} s into the {self.phase}"
        return f"{self.process} killed {self.moment} {self.point} {self.nth} of the {self.phase}"


def point(process: str, phase: str, what: str, moment: str, nth: int = 1) -> Kill:
    """Return a kill at a point."""
    return Kill(process=process, phase=phase, point=what, moment=moment, nth=nth)


POINTS = (
    point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "before"),
    point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "after"),
    point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "after", 2),
    point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "after", 3),
    point(REMEDIATION_EXECUTOR, APPROVAL, WRITE, "before"),
    point(REMEDIATION_EXECUTOR, APPROVAL, WRITE, "after", 2),
    point(REMEDIATION_EXECUTOR, UNDO, WRITE, "before"),
    point(REMEDIATION_EXECUTOR, UNDO, WRITE, "after"),
    point(REMEDIATION_EXECUTOR, UNDO, WRITE, "after", 3),
    point(CREDENTIAL_FREEZER, RESPONSE, WRITE, "before"),
    point(CREDENTIAL_FREEZER, RESPONSE, WRITE, "after"),
    point(CREDENTIAL_FREEZER, UNDO, WRITE, "after"),
    point(ORCHESTRATOR, RESPONSE, ACKNOWLEDGE, "before"),
    point(ORCHESTRATOR, RESPONSE, ACKNOWLEDGE, "after", 2),
    point(RUNTIME_GUARDIAN, RESPONSE, ACKNOWLEDGE, "before"),
    point(RUNTIME_GUARDIAN, RESPONSE, ACKNOWLEDGE, "after", 2),
    point(LIAISON, APPROVAL, PASS_ON, "before"),
    point(LIAISON, APPROVAL, PASS_ON, "after"),
    point(LIAISON, UNDO, PASS_ON, "before", 2),
    point(LIAISON, UNDO, PASS_ON, "after"),
)
"""Before a write, between a write and its record of completion, between completion and acknowledgement, in the
approval, in the undo."""


CONTROLS = {
    "repeating": tuple(point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "after", nth) for nth in (1, 2, 3)),
    "hasty": tuple(Kill(process=RUNTIME_GUARDIAN, phase=RESPONSE, delay=at / 10) for at in (3, 6, 9)),
    "forgetful": tuple(point(REMEDIATION_EXECUTOR, RESPONSE, WRITE, "after", nth) for nth in (4, 6, 8)),
}
"""Where each unsafe variant dies in a control run: between the two things that it does in the wrong order."""


def drawn(draw: random.Random, unsafe: str = "") -> Kill:
    """Draw one kill: half of them at a point, half at any instant; in a control run, where it hurts."""
    if unsafe:
        return draw.choice(CONTROLS[unsafe])
    if draw.random() < 0.5:
        return draw.choice(POINTS)
    return Kill(
        process=draw.choice((*SERVERS, *AGENTS)),
        phase=draw.choice((RESPONSE, RESPONSE, APPROVAL, UNDO)),
        delay=draw.uniform(0, LONGEST),
    )
