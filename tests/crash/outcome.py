"""What came of one trial, as a line and as a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.crash.judge import Findings
from tests.crash.kills import Kill
from tests.crash.weather import Weather

LATE: Mapping[type, float] = MappingProxyType({Kill: 5.0, Weather: 15.0})
"""Seconds after which work must go on, once a killed process is ready again, or requests are no longer failed.

An answer that never comes is waited for: 10 s."""


@dataclass(kw_only=True)
class Outcome:
    """What came of one trial."""

    number: int
    seed: str
    blow: Kill | Weather | None
    met: bool = False
    """Whether the process died at its point; else it was killed later."""
    failed: int = 0
    """Requests that were failed on their way to the API server."""
    recovery: float | None = None
    """Seconds that a phase took from the moment at which all was well again, less what it had still to do."""
    restart: float | None = None
    """Seconds from the kill until the process was ready again."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds that each phase took, of those that nothing disturbed."""
    alerts: int = 0
    incidents: int = 0
    writes: int = 0
    findings: Findings = field(default_factory=Findings)
    failure: str = ""
    """Why the trial did not come to its end."""

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong, however long it took."""
        return self.findings.fine and not self.failure

    @property
    def late(self) -> bool:
        """Whether it took too long until work went on."""
        return self.recovery is not None and self.blow is not None and self.recovery > LATE[type(self.blow)]

    def __str__(self) -> str:
        """Return it as one line."""
        what = "; ".join(filter(None, (self.failure, str(self.findings))))
        counts = f"{self.alerts} alerts, {self.incidents} incidents, {self.writes} writes"
        verdict = "FAIL" if not self.fine else "late" if self.late else "ok  "
        return f"{verdict} {self.number:3} {self.blow or 'undisturbed'}{self._back()}; {counts}: {what}"

    def _back(self) -> str:
        missed = "" if self.met else " (its point was not reached: killed then)"
        if self.recovery is None:
            return ""
        if isinstance(self.blow, Weather):
            return f", {self.failed} failed, recovered {self.recovery:.1f} s later"
        return f"{missed}, back in {self.restart:.1f} s, recovered {self.recovery:.1f} s later"
