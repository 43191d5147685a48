"""What can be seen of an incident without a worker: search attributes and memo, and with one: its story."""

from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

with workflow.unsafe.imports_passed_through():
    from signals import story
    from signals.display import terminal
    from signals.incidents import Incident, IncidentState, Summary
    from signals.keywords import keyword_list
    from signals.subjects import MEMO, MEMO_NOW, MEMO_TITLE
    from signals.threats import ThreatEvent


CLUSTER = SearchAttributeKey.for_keyword("FirebreakCluster")
NAMESPACE = SearchAttributeKey.for_keyword("FirebreakNamespace")
STATE = SearchAttributeKey.for_keyword("FirebreakState")
SEVERITY = SearchAttributeKey.for_keyword("FirebreakSeverity")
MODE = SearchAttributeKey.for_keyword("FirebreakMode")
WAITING = SearchAttributeKey.for_keyword("FirebreakWaitingFor")
TIER = SearchAttributeKey.for_int("FirebreakTier")
CONFIDENCE = SearchAttributeKey.for_float("FirebreakConfidence")
ENTITIES = SearchAttributeKey.for_keyword_list("FirebreakEntities")
TECHNIQUES = SearchAttributeKey.for_keyword_list("FirebreakTechniques")
VERDICT = SearchAttributeKey.for_keyword("FirebreakVerdict")
DEADLINE = SearchAttributeKey.for_datetime("FirebreakDeadline")


def first_sight(incident: str, event: ThreatEvent) -> tuple[dict[str, Any], TypedSearchAttributes]:
    """Return memo and search attributes to start an incident with: it is listed before it has done anything."""
    seen = Summary(
        id=incident,
        title=event.title,
        state=IncidentState.INVESTIGATING,
        tier=1,
        severity=event.severity,
        confidence=event.confidence,
        mode=event.mode,
        opened_at=event.accepted_at or event.observed_at,
        entities=(str(event.subject),),
    )
    memo = {
        MEMO: seen.model_dump(mode="json"),
        MEMO_TITLE: terminal(event.title, 120),
        MEMO_NOW: story.standing(seen),
    }
    attributes = [
        SearchAttributePair(CLUSTER, event.cluster.name),
        SearchAttributePair(NAMESPACE, event.subject.namespace or ""),
        SearchAttributePair(STATE, str(seen.state)),
    ]
    return memo, TypedSearchAttributes(attributes)


def show(incident: Incident) -> None:
    """Put an incident where people and lists find it. Each call is an event in history: on change only."""
    summary = incident.summary
    subjects = [event.subject for event in incident.events]
    waiting = summary.waiting_for
    updates: list[SearchAttributeUpdate[Any]] = [
        CLUSTER.value_set(incident.cluster.name),
        NAMESPACE.value_set(
            min((subject.namespace for subject in subjects if subject.namespace), default="")
        ),
        STATE.value_set(summary.state),
        SEVERITY.value_set(summary.severity),
        MODE.value_set(summary.mode),
        TIER.value_set(summary.tier),
        CONFIDENCE.value_set(summary.confidence or 0.0),
        ENTITIES.value_set(keyword_list(str(subject) for subject in subjects)),
        TECHNIQUES.value_set(keyword_list(summary.techniques)),
        WAITING.value_set(waiting.kind) if waiting else WAITING.value_unset(),
        DEADLINE.value_set(waiting.deadline) if waiting else DEADLINE.value_unset(),
    ]
    if summary.verdict:
        updates.append(VERDICT.value_set(summary.verdict))
    workflow.upsert_memo(
        {
            MEMO: summary.model_dump(mode="json"),
            MEMO_TITLE: terminal(summary.title, 120),
            MEMO_NOW: story.standing(summary),
        }
    )
    workflow.upsert_search_attributes(updates)


def tell(incident: Incident) -> None:
    """Put the story where Temporal's UI shows it."""
    workflow.set_current_details(story.details(incident))
