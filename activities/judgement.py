"""The shape of one judgement, and what a decision looks like while it is being made.

A decision is a fold: each judgement looks at what is on the scales, changes it, and says why in a term. Nothing
here knows a clock or a cluster, and the events are put in one order first: any order of arrival ends the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from signals.decisions import PlannedAction, Term, Tier
from signals.exceptions import AlertException
from signals.policy import Policy
from signals.requests import JudgeRequest
from signals.threats import Mode, Severity, ThreatEvent


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One subject of the incident, weighed by itself: containment is aimed at those who earned it."""

    events: tuple[ThreatEvent, ...]
    confidence: float | None
    tier: Tier = Tier.OBSERVE

    @property
    def event(self) -> ThreatEvent:
        """The event that speaks loudest about this subject."""
        return max(self.events, key=lambda event: (event.confidence or 0.0, event.severity.rank, event.id))


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """What is on the scales."""

    request: JudgeRequest
    policy: Policy
    events: tuple[ThreatEvent, ...]
    """The latest revision of each event that the policy does not ignore, in order of id."""
    at: datetime | None = None
    """When it is judged; None where a policy is tried out."""
    exceptions: tuple[AlertException, ...] = ()
    """What people expect of workloads; proved, and by the name of the exception."""
    silenced: tuple[tuple[ThreatEvent, AlertException], ...] = ()
    """What was expected, and is on the scales no more."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """By id of an event, why it is no witness at all."""
    suspects: tuple[Suspect, ...] = ()
    confidence: float | None = None
    severity: Severity = Severity.INFO
    tier: Tier = Tier.OBSERVE
    mode: Mode = Mode.SHADOW
    actions: tuple[PlannedAction, ...] = ()
    execute: bool = False
    why_not: str = ""
    asks: tuple[str, ...] = ()
    """Why a person must decide about these actions, whatever the mode and the tier."""
    page: bool = False
    terms: tuple[Term, ...] = ()

    def explained(self, name: str, value: str, effect: str, reason: str) -> "Weighing":
        """Return the same with one more term."""
        return replace(self, terms=(*self.terms, Term(name=name, value=value, effect=effect, reason=reason)))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One judgement. `order` is its place in the fold; `weigh` is pure."""

    name: str
    order: int
    question: str
    """What it answers, as a person would ask it; the reference page is made of these."""
    weigh: Callable[[Weighing], Weighing]
