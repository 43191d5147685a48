"""How an incident is told from its file: where it stands, one line of the list, the whole story."""

from signals import matters
from signals.casefile import CaseFile
from signals.incidents import ActionSummary, Incident, IncidentState, Summary, WaitingFor
from signals.plans import WriteKind
from signals.receipts import ActionState
from signals.threats import Mode, Severity
from signals.verdicts import Suspected

_TROUBLED = frozenset(
    {
        ActionState.FAILED,
        ActionState.REFUSED,
        ActionState.INEFFECTIVE,
        ActionState.DRIFTED,
        ActionState.STAGED,
    }
)


def state(file: CaseFile, waiting: WaitingFor | None) -> IncidentState:
    """Return where this stands."""
    states = {receipt.state for receipt in file.receipts.values()}
    if file.closed_because:
        return IncidentState.CLOSED
    if waiting is not None:
        return IncidentState.AWAITING_APPROVAL
    if file.standing:
        return IncidentState.PARTIALLY_CONTAINED if states & _TROUBLED else IncidentState.CONTAINED
    if ActionState.DUE in states or _evicted(file):
        return IncidentState.PARTIALLY_CONTAINED if states & _TROUBLED else IncidentState.CONTAINED
    if ActionState.REVERTED in states:
        return IncidentState.UNDONE
    if ActionState.SHADOW in states:
        return IncidentState.SHADOWED
    if not file.decisions or (file.decisions[-1].actions and not states):
        return IncidentState.INVESTIGATING
    return IncidentState.OBSERVED


def _evicted(file: CaseFile) -> bool:
    """Return whether what was contained is gone by our own hand, and nothing of it was put back by anybody."""
    over = [receipt for receipt in file.receipts.values() if receipt.state is ActionState.DONE]
    went = any(write.kind is WriteKind.EVICT for receipt in over for write in receipt.plan.writes)
    return went and all(r.state is not ActionState.REVERTED for r in file.receipts.values())


def summary(file: CaseFile, waiting: WaitingFor | None) -> Summary:
    """Return one line of the list of incidents."""
    last = file.decisions[-1] if file.decisions else None
    first = next(iter(file.events.values()), None)
    entities = sorted({str(subject) for subject in file.subjects})
    return Summary(
        id=file.given.incident,
        title=last.title if last else (first.title if first else "An incident"),
        state=state(file, waiting),
        tier=max((int(decision.tier) for decision in file.decisions), default=1),
        severity=last.severity if last else Severity.INFO,
        confidence=last.confidence if last else None,
        mode=last.mode if last else Mode.SHADOW,
        opened_at=file.opened_at,
        entities=tuple(entities[:50]),
        techniques=last.techniques if last else (),
        actions=tuple(
            ActionSummary(
                id=receipt.action.id,
                type=receipt.action.type,
                target=str(receipt.action.target),
                state=receipt.state,
                expires_at=receipt.expires_at,
            )
            for receipt in sorted(file.receipts.values(), key=lambda r: r.action.index)[:50]
        ),
        waiting_for=waiting,
        suspicions=_suspicions(file),
        exceptions=tuple(sorted({one.exception for one in last.silenced})) if last else (),
        verdict=file.verdict if file.closed_because else None,
        stack=matters.stack_digest(file.receipts.values()),
        implicated=last.implicated if last else (),
    )


def _suspicions(file: CaseFile) -> tuple[Suspected, ...]:
    found = sorted({(event.detector, event.rule) for event in file.events.values()})
    return tuple(Suspected(detector=detector, rule=rule) for detector, rule in found[:20])


def incident(file: CaseFile, waiting: WaitingFor | None) -> Incident:
    """Return the whole story."""
    return Incident(
        summary=summary(file, waiting),
        cluster=file.given.cluster,
        events=tuple(file.events.values()),
        left_out=file.left_out,
        decisions=tuple(file.decisions),
        plan=file.plan,
        receipts=tuple(sorted(file.receipts.values(), key=lambda r: r.action.index)),
        investigation=file.investigation,
        timeline=tuple(file.timeline),
        links=tuple(file.links),
    )
