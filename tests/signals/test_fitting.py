"""What has to fit into Temporal fits, and what is cut is said; what nobody has judged yet goes last."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals import fitting
from signals.casefile import CaseFile
from signals.entities import ClusterRef, Entity
from signals.evidence import Evidence
from signals.incidents import Investigation, Node
from signals.requests import Batch, IncidentInput
from signals.threats import Severity, ThreatEvent

CLUSTER = ClusterRef(name="test", uid="fits")
NOW = datetime(2026, 5, 4, tzinfo=UTC)
GIVEN = IncidentInput(
    incident="shop-storm-12345678",
    cluster=CLUSTER,
    liaison_key="key",
    approval_seconds=900,
    false_alarm_seconds=1800,
    extensions=3,
    quiet_seconds=86400,
)


def event(number: int, *, data: int = 0, subject: int | None = None, **given: Any) -> ThreatEvent:
    pod = number if subject is None else subject
    fields: dict[str, Any] = {
        "id": f"{number:032d}",
        "cluster": CLUSTER,
        "agent": "runtime-guardian",
        "detector": "reverse_shell",
        "rule": "Reverse shell",
        "title": f"a shell in pod shop/web-{pod}",
        "severity": Severity.HIGH,
        "confidence": 0.9,
        "subject": Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name=f"web-{pod}", uid=f"u-{pod}"),
        "observed_at": NOW,
        "evidence": (
            Evidence(
                source="falco",
                summary="s" * min(data, 1000),
                observed_at=NOW,
                sha256="0" * 64,
                data={f"field.{n}": "\u202e" * 1000 for n in range(data // 1000)},
            ),
        ),
    }
    return ThreatEvent(**fields | given)


def test_an_ordinary_event_stays_as_it_is() -> None:
    ordinary = event(1, data=500)
    assert fitting.fitted(ordinary) is ordinary


@pytest.mark.parametrize("data", [4_000, 60_000, 500_000])
def test_a_long_event_is_cut_until_it_fits_and_its_hash_stays(data: int) -> None:
    long = event(1, data=data, title="t" * 300)
    cut = fitting.fitted(long)
    assert fitting.size(cut) <= fitting.EVENT_BYTES < fitting.size(long)
    assert (cut.evidence[0].sha256, cut.evidence[0].truncated) == ("0" * 64, True)
    assert cut.model_copy(update={"evidence": ()}) == long.model_copy(update={"evidence": ()})
    assert fitting.fitted(cut) == cut


def test_an_incident_keeps_no_more_whole_events_than_have_room_and_counts_the_rest() -> None:
    file = CaseFile(GIVEN, NOW)
    events = [fitting.fitted(event(number, data=60_000)) for number in range(300)]
    file.receive(Batch(events=tuple(events)), NOW)
    assert len(file.events) == 300, "what is not judged is kept"
    file.read()
    assert sum(map(fitting.size, file.events.values())) <= fitting.EVENTS_BYTES
    assert file.left_out == 300 - len(file.events)
    assert next(reversed(file.events)) == events[-1].id


def test_a_run_hands_over_no_more_than_temporal_takes_and_every_subject_that_nobody_has_judged() -> None:
    file = CaseFile(GIVEN, NOW)
    for first in range(0, 3000, 100):
        flood = [
            event(n, data=3000, subject=n % 250, confidence=0.3 + n / 10_000)
            for n in range(first, first + 100)
        ]
        file.receive(Batch(events=tuple(map(fitting.fitted, flood))), NOW)
    file.investigation = Investigation(
        nodes=tuple(Node(id=f"{n}", entity=event(n).subject) for n in range(5000)), findings=("kept",)
    )
    given = file.carry(None, None, ())
    assert given.carried
    assert fitting.size(given.carried) <= fitting.RUN_BYTES
    again = CaseFile(given, NOW + timedelta(minutes=1))
    assert again.unread
    assert {e.subject.uid: e.confidence for e in again.events.values()}.keys() == {
        f"u-{n}" for n in range(250)
    }
    assert max(e.confidence or 0 for e in again.events.values()) == pytest.approx(0.3 + 2999 / 10_000)
    assert again.left_out == 3000 - len(again.events)
    assert any("are not kept" in moment.what for moment in again.timeline)
    assert again.investigation
    assert (again.investigation.nodes, again.investigation.findings) == ((), ("kept",))


def test_what_fits_is_handed_over_whole() -> None:
    file = CaseFile(GIVEN, NOW)
    file.receive(Batch(events=(event(1), event(2))), NOW)
    file.read()
    again = CaseFile(file.carry(None, None, ("c-1",)), NOW)
    assert (again.events, again.seen, again.timeline) == (file.events, file.seen, file.timeline)
    assert (again.unread, again.left_out) == ([], 0)
