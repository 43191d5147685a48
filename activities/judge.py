"""Judges an incident: a local activity, pure but for the clock, whose signed result is the record.

The orchestrator has no rights in the cluster. What it signs is what the executor will believe; so the policy
is read here and its digest goes into every decision, and a workflow never looks at a catalogue again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from temporalio import activity

from activities import metrics
from activities.judgement import Judgement, Weighing
from activities.metrics import Stage
from activities.pace import Pace
from activities.tracing import inject, span
from signals.decisions import Decision, Silenced, Term
from signals.envelope import Signer
from signals.exceptions import AlertException
from signals.matters import implicated
from signals.policy import Policy, Rule
from signals.requests import JudgeRequest
from signals.subjects import SPAN_JUDGE
from signals.threats import ThreatEvent
from signals.vouching import Voucher

FORGED = "the orchestrator did not put them into this incident: somebody wrote them to Temporal"
MOST_TERMS = 80
"""Terms in one decision: a storm has one for each event."""


def _overrides(event: ThreatEvent, rule: Rule) -> dict[str, object]:
    """Return what holds in place of the detector's values; where it gave no confidence, none is made up."""
    changed: dict[str, object] = {"severity": rule.severity} if rule.severity else {}
    if rule.confidence is not None and event.confidence is not None:
        changed["confidence"] = rule.confidence
    return changed


def latest(events: tuple[ThreatEvent, ...], policy: Policy) -> tuple[ThreatEvent, ...]:
    """Return the highest revision of each event that the policy does not ignore, in order of id."""
    best: dict[str, ThreatEvent] = {}
    for event in events:
        rule = policy.rules.get(event.rule)
        if rule and rule.ignore:
            continue
        if rule:
            event = event.model_copy(update=_overrides(event, rule))
        if event.id not in best or event.revision > best[event.id].revision:
            best[event.id] = event
    return tuple(best[key] for key in sorted(best))


def weigh(
    request: JudgeRequest,
    policy: Policy,
    judgements: Iterable[Judgement],
    at: datetime | None = None,
    exceptions: Sequence[AlertException] = (),
) -> Weighing:
    """Return the scales after every judgement; pure, and the same for any order of the events."""
    scales = Weighing(
        request=request,
        policy=policy,
        events=latest(request.events, policy),
        at=at,
        exceptions=tuple(sorted(exceptions, key=lambda one: one.id)),
    )
    for judgement in sorted(judgements, key=lambda judgement: judgement.order):
        scales = judgement.weigh(scales)
    return scales


def told(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return the terms; of very many the first and the last, and how many stand between them."""
    left = len(terms) - MOST_TERMS
    if left <= 0:
        return terms
    half = MOST_TERMS // 2
    gap = Term(name="and more", value=str(left), effect="weighed, and not told one by one", reason="")
    return (*terms[:half], gap, *terms[-half:])


def title(scales: Weighing) -> str:
    """Return the incident in one sentence: what its loudest event says."""
    if not scales.suspects and scales.silenced:
        event, one = max(scales.silenced, key=lambda pair: (pair[0].confidence or 0.0, pair[0].id))
        return f"{event.title} (expected: {one.id})"
    if not scales.suspects:
        return "Only what the policy ignores"
    loudest = max(scales.suspects, key=lambda suspect: (suspect.confidence or 0.0, suspect.event.id))
    others = len(scales.suspects) - 1
    return loudest.event.title if not others else f"{loudest.event.title} (and {others} more)"


class Judging:
    """The judge, with the policy and the key that it signs with."""

    def __init__(
        self,
        judgements: Mapping[str, Judgement],
        policy: Policy,
        signer: Signer,
        voucher: Voucher,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        exceptions: Callable[[], Sequence[AlertException]] = tuple,
        pace: Pace | None = None,
    ) -> None:
        """Judge by these judgements, this policy and these exceptions, and sign as this agent.

        `pace` says how busy it is.
        """
        self._exceptions = exceptions
        self._judgements = tuple(judgements.values())
        self._policy = policy
        self._signer = signer
        self._voucher = voucher
        self._now = now
        self._pace = pace or Pace()

    @activity.defn
    async def judge(self, request: JudgeRequest) -> Decision:
        """Return a signed decision over all events of an incident."""
        trace = next((event.trace for event in request.events if event.trace), {})
        with span(SPAN_JUDGE, trace, incident=request.incident):
            decision = self._decide(request, inject() or trace)
        metrics.decision(decision)
        if decision.revision == 1:
            metrics.incident()
        metrics.stage(Stage.SIGNAL_TO_DECISION, decision.accepted_at, decision.decided_at)
        return decision

    def _decide(self, request: JudgeRequest, trace: dict[str, str]) -> Decision:
        now = self._now()
        believed = self._believed(request)
        scales = weigh(believed, self._policy, self._judgements, now, self._exceptions())
        forged = len(request.events) - len(believed.events)
        if forged:
            activity.logger.error("%d events that nobody vouches for were left out", forged)
            scales = replace(scales, page=True).explained("proof", str(forged), "left out", FORGED)
        return self._signer.seal(
            Decision(
                incident=request.incident,
                cluster=request.cluster,
                revision=request.revision,
                tier=scales.tier,
                confidence=scales.confidence,
                severity=scales.severity,
                mode=scales.mode,
                techniques=tuple(sorted({event.technique for event in scales.events if event.technique})),
                title=title(scales),
                terms=told(scales.terms),
                actions=scales.actions,
                execute=scales.execute,
                why_not=scales.why_not,
                page=scales.page,
                policy_digest=self._policy.digest,
                events=tuple(event.id for event in scales.events),
                silenced=tuple(Silenced(event=event.id, exception=one.id) for event, one in scales.silenced),
                decided_at=now,
                accepted_at=max((e.accepted_at for e in scales.events if e.accepted_at), default=None),
                followup_seconds=self._pace.wait(request.incident, now) if request.revision == 1 else 0.0,
                implicated=implicated(scales.events),
                trace=trace,
            )
        )

    def _believed(self, request: JudgeRequest) -> JudgeRequest:
        """Return the request without the events that the orchestrator did not put into this incident itself."""
        events = tuple(event for event in request.events if self._voucher.vouches(event, request.incident))
        return (
            request if len(events) == len(request.events) else request.model_copy(update={"events": events})
        )
