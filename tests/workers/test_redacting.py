"""What redaction leaves of a history: types, structure, and signatures that still count, but nowhere else."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from signals.approvals import Approval, Verb
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.errors import Refused, Undecodable
from signals.subjects import LIAISON
from workers.redacting import Redacting

KEY = Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SAID = Approval(
    id="c-1",
    cluster=ClusterRef(name="c", uid="u"),
    verb=Verb.UNDO,
    actor="oncall",
    reason="psql postgres://app:hunter2hunter2@db",
    said_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def payload(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


def history(*said: Any) -> WorkflowHistory:
    """Return a run that believes the liaison, and these signals to it."""
    start = HistoryEvent(event_id=1)
    start.workflow_execution_started_event_attributes.input.payloads.append(payload({"liaison_key": PEM}))
    events = [start]
    for number, one in enumerate(said, 2):
        event = HistoryEvent(event_id=number)
        event.workflow_execution_signaled_event_attributes.input.payloads.append(payload(one))
        events.append(event)
    return WorkflowHistory("x", events)


def inputs(redacted: WorkflowHistory) -> list[Any]:
    start, *signals = redacted.events
    given = start.workflow_execution_started_event_attributes.input
    said = [one.workflow_execution_signaled_event_attributes.input for one in signals]
    return [json.loads(one.payloads[0].data) for one in (given, *said)]


def test_a_redacted_command_is_still_signed_but_not_by_the_liaison_of_the_cluster() -> None:
    sealed = Signer(LIAISON, KEY).seal(SAID)
    redacted, count = Redacting().redacted(history(sealed.model_dump(mode="json")))
    given, said = inputs(redacted)
    approval = Approval.model_validate(said)
    assert count == 1
    assert approval.reason == "psql postgres://app:[redacted:url-password]@db"
    Trust.from_pem({LIAISON: given["liaison_key"].encode()}).check_sealed(LIAISON, approval)
    with pytest.raises(Refused):
        Trust.from_pem({LIAISON: PEM.encode()}).check_sealed(LIAISON, approval)


def test_a_forged_command_stays_forged() -> None:
    forged = Signer(LIAISON, Ed25519PrivateKey.generate()).seal(SAID)
    redacted, _ = Redacting().redacted(history(forged.model_dump(mode="json")))
    given, said = inputs(redacted)
    with pytest.raises(Refused):
        Trust.from_pem({LIAISON: given["liaison_key"].encode()}).check_sealed(
            LIAISON, Approval.model_validate(said)
        )


def test_types_and_structure_stay_and_what_has_no_secret_stays_byte_for_byte() -> None:
    value = {"a": [1, 2.5, None, True, "text"], "b": {"token": "plain"}}
    before = history(value, {"x": ["curl -u bob:hunter2hunter2 http://h", 7]})
    redacted, count = Redacting().redacted(before)
    kept = redacted.events[1].workflow_execution_signaled_event_attributes.input.payloads[0].data
    assert kept == before.events[1].workflow_execution_signaled_event_attributes.input.payloads[0].data
    assert count == 1
    assert inputs(redacted)[2]["x"][1] == 7
    assert "hunter2hunter2" not in json.dumps(inputs(redacted))
    assert "hunter2hunter2" in json.dumps(inputs(before))


def test_what_failures_say_is_redacted() -> None:
    event = HistoryEvent(event_id=2)
    failure = event.activity_task_failed_event_attributes.failure
    failure.cause.message = "could not log in with password=hunter2hunter2"
    redacted, _ = Redacting().redacted(WorkflowHistory("x", [event]))
    said = redacted.events[0].activity_task_failed_event_attributes.failure.cause.message
    assert said == "could not log in with password=[redacted:password]"


def test_a_payload_that_cannot_be_looked_at_is_refused() -> None:
    event = HistoryEvent(event_id=2)
    encrypted = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"...")
    event.workflow_execution_signaled_event_attributes.input.payloads.append(encrypted)
    with pytest.raises(Undecodable, match="binary/encrypted"):
        Redacting().redacted(WorkflowHistory("x", [event]))
