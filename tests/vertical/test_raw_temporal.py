"""Raw access to Temporal writes nothing to the cluster: no containment, no undo, no longer or shorter stand.

Judged by the API server's audit log: whatever is tried, the executor's writes there stay what they were.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from activities.ports import PODS
from signals.approvals import Verb
from signals.decisions import Decision, OnExpiry, Tier
from signals.entities import ClusterRef
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState
from signals.requests import (
    ApplyRequest,
    Batch,
    Cause,
    Disposition,
    ExtendRequest,
    IncidentInput,
    JudgeRequest,
    RevertRequest,
    Stack,
)
from signals.subjects import INCIDENT_WORKFLOW, ORCHESTRATOR, remediation_id
from tests.vertical.audit import written
from tests.vertical.intruder import Intruder, intruding, stack_of
from tests.vertical.scene import REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

OTHER = ClusterRef(name="other", uid="another-cluster")


@asynccontextmanager
async def contained(stage: Stage) -> AsyncIterator[tuple[Scene, Incident, Intruder]]:
    """Yield a scene whose suspect is isolated, and an intruder."""
    async with stage.scene() as here, intruding(stage.temporal) as intruder:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, settled)
        yield here, incident, intruder
        await stage.say(Verb.CLOSE, incident.summary.id, undo=True)


@asynccontextmanager
async def nothing_is_written(stage: Stage, here: Scene) -> AsyncIterator[None]:
    """Check that the executor wrote nothing in a namespace meanwhile, by the audit log."""
    log = stage.stack.layout.audit_log
    before = written(log, here.namespace)
    yield
    await asyncio.sleep(0.5)
    assert written(log, here.namespace) == before


def given(stage: Stage, incident: Incident, name: str, **more: Any) -> IncidentInput:
    """Return what an incident of theirs starts with."""
    key = (stage.stack.layout.keys / "public" / "liaison.pub").read_text()
    fields: dict[str, Any] = {
        "incident": name,
        "cluster": incident.cluster,
        "liaison_key": key,
        "approval_seconds": 900,
        "false_alarm_seconds": 0,
        "extensions": 99,
        "quiet_seconds": 3600,
    }
    return IncidentInput(**fields | more)


async def started(stage: Stage, incident: Incident, name: str, batch: Batch) -> WorkflowHandle[Any, Any]:
    """Start an incident as the orchestrator does, with events of one's own."""
    return await stage.temporal.start_workflow(
        INCIDENT_WORKFLOW,
        given(stage, incident, name),
        id=name,
        task_queue=ORCHESTRATOR,
        start_signal="events",
        start_signal_args=[batch.model_dump(mode="json")],
    )


async def judged(handle: WorkflowHandle[Any, Any], seen: int = 1) -> Incident:
    """Return an incident once it was judged so often."""
    found: list[Incident] = []

    async def look() -> bool:
        found[:] = [await handle.query("incident", result_type=Incident)]
        return len(found[0].decisions) >= seen

    await until(look, lambda: f"{handle.id} was not judged: {found}")
    return found[0]


async def test_events_that_nobody_published_contain_nothing(stage: Stage) -> None:
    async with contained(stage) as (here, incident, _):
        uid = (await stage.cluster.get(PODS.ref("web-1", here.namespace)))["metadata"]["uid"]
        sibling = incident.events[0].subject.model_copy(update={"name": "web-1", "uid": uid})
        real = incident.events[0]
        forged = real.model_copy(update={"id": uuid.uuid4().hex, "subject": sibling, "confidence": 0.9})
        async with nothing_is_written(stage, here):
            for batch in (Batch(events=(forged,)), Batch(events=(real,))):
                handle = await started(stage, incident, f"{here.namespace}-{uuid.uuid4().hex[:6]}", batch)
                told = await judged(handle)
                assert (told.summary.tier, told.receipts) == (Tier.OBSERVE, ())
                await handle.terminate()
            running = stage.temporal.get_workflow_handle(incident.summary.id)
            await running.signal("events", Batch(events=(forged,)).model_dump(mode="json"))
            told = await judged(running, len(incident.decisions) + 1)
            assert {target.name for one in told.receipts for target in one.action.targets} == {"web-0"}


async def test_a_decision_counts_only_as_it_was_signed_and_a_judge_that_is_asked_again_adds_nothing(
    stage: Stage,
) -> None:
    async with contained(stage) as (here, incident, intruder):
        decision = incident.decisions[0]
        again = JudgeRequest(
            incident=decision.incident,
            cluster=incident.cluster,
            revision=77,
            events=incident.events,
            next_index=50,
        )
        signed = Decision.model_validate(await intruder.asks("judge", again, ORCHESTRATOR))
        assert signed.actions
        tampered = [
            decision.model_copy(update={"tier": Tier.OBSERVE}),
            decision.model_copy(update={"cluster": OTHER}),
            decision.model_copy(update={"incident": "another"}),
            decision.model_copy(update={"signature": signed.signature}),
        ]
        async with nothing_is_written(stage, here):
            for one in tampered:
                answer = await intruder.outcome(ApplyRequest(decision=one))
                assert "the signature is not orchestrator's" in str(answer)
            replayed = await intruder.outcome(ApplyRequest(decision=decision))
            assert not isinstance(replayed, str)
            assert [one.action.id for one in replayed.receipts] == [
                one.action.id for one in incident.receipts
            ]
            doubled = await intruder.outcome(ApplyRequest(decision=signed))
            assert not isinstance(doubled, str)
            assert (doubled.disposition, "stands already" in doubled.reason) == (Disposition.STAGED, True)


async def test_nobody_lets_an_intruder_go_through_temporal(stage: Stage) -> None:
    async with contained(stage) as (here, incident, intruder):
        stack, name = stack_of(incident), incident.summary.id
        pod = stack.receipts[0].action.target
        gone = pod.model_copy(update={"uid": "gone"})
        liar = stack.receipts[0].model_copy(
            update={
                "expires_at": datetime.now(UTC) - timedelta(days=1),
                "extended": 99,
                "action": stack.receipts[0].action.model_copy(
                    update={"targets": (gone,), "on_expiry": OnExpiry.RELEASE}
                ),
            }
        )
        lies = stack.model_copy(update={"receipts": (liar,)})
        requests: list[RevertRequest | ExtendRequest] = [
            *(RevertRequest(stack=one, cause=cause) for one in (stack, lies) for cause in Cause),
            *(
                RevertRequest(stack=stack, cause=Cause.PERSON, approval=intruder.forged(incident, verb))
                for verb in (Verb.UNDO, Verb.STAND_DOWN, Verb.CLOSE, Verb.APPROVE)
            ),
            *(
                ExtendRequest(stack=one, seconds=seconds)
                for one in (stack, lies)
                for seconds in (1, -9999, 9999999)
            ),
            ExtendRequest(
                stack=stack, seconds=60, approval=intruder.forged(incident, Verb.EXTEND, seconds=60)
            ),
        ]
        async with nothing_is_written(stage, here):
            for request in requests:
                verb = "revert_stack" if isinstance(request, RevertRequest) else "extend_stack"
                answer = await intruder.asks(verb, request)
                assert str(answer).startswith("refused") or "stands until" in str(answer), (request, answer)
            for target in (name, remediation_id(name)):
                forged = intruder.forged(incident, Verb.UNDO)
                handle = stage.temporal.get_workflow_handle(target)
                with pytest.raises(Exception, match="Workflow update failed"):
                    await handle.execute_update("undo", forged.model_dump(mode="json"))
            owner = stage.temporal.get_workflow_handle(remediation_id(name))
            await owner.signal("command", intruder.forged(incident, Verb.UNDO).model_dump(mode="json"))
            await owner.signal("cancelled", {})
            await owner.signal("push", stack.model_dump(mode="json"))
            await asyncio.sleep(1)
            await owner.cancel()
            await stage.temporal.get_workflow_handle(name).cancel()
            await asyncio.sleep(1)


async def test_an_undo_counts_once_and_a_reset_brings_nothing_back(stage: Stage) -> None:
    async with contained(stage) as (here, incident, intruder):
        name = incident.summary.id
        assert (await stage.say(Verb.UNDO, name)).accepted
        undo = await intruder.overheard(name, Verb.UNDO)
        assert await here.changed() == []
        first = incident.decisions[0]
        async with nothing_is_written(stage, here):
            answer = await intruder.outcome(ApplyRequest(decision=first))
            assert not isinstance(answer, str)
            assert {one.state for one in answer.receipts} == {ActionState.REVERTED}
            again = JudgeRequest(
                incident=name, cluster=incident.cluster, revision=9, events=incident.events, next_index=50
            )
            signed = Decision.model_validate(await intruder.asks("judge", again, ORCHESTRATOR))
            answer = await intruder.outcome(ApplyRequest(decision=signed))
            assert not isinstance(answer, str)
            assert (answer.disposition, "put back" in answer.reason) == (Disposition.STAGED, True)

        kinds = {"rule": "Netcat Remote Code Execution in Container"}
        await stage.post({**here.alert(REVERSE_SHELL, "web-0", **{"proc.name": "nc"}), **kinds})
        held = await stage.reaches(name, lambda one: settled(one) and len(one.events) > 1)
        request = RevertRequest(stack=stack_of(held), cause=Cause.PERSON, approval=undo)
        async with nothing_is_written(stage, here):
            assert "used already" in str(await intruder.asks("revert_stack", request))
            await _reset(stage, name)
            await judged(stage.temporal.get_workflow_handle(name))
            await asyncio.sleep(1)
        assert held.summary.state is IncidentState.CONTAINED


async def _reset(stage: Stage, name: str) -> None:
    """Have Temporal run an incident again from its first judgement on."""
    handle = stage.temporal.get_workflow_handle(name)
    history = await handle.fetch_history()
    first = next(one for one in history.events if one.HasField("workflow_task_completed_event_attributes"))
    await stage.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=stage.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=name, run_id=history.run_id),
            reason="raw access",
            workflow_task_finish_event_id=first.event_id,
            request_id=str(uuid.uuid4()),
        )
    )


async def test_an_impostor_on_the_executors_queue_says_that_the_pod_is_gone_and_is_not_believed(
    stage: Stage,
) -> None:
    async with contained(stage) as (here, incident, intruder):
        owner = stage.temporal.get_workflow_handle(remediation_id(incident.summary.id))
        lie = Stack(receipts=stack_of(incident).receipts, target_gone=True, notes=("a lie",))
        async with nothing_is_written(stage, here):
            async with intruder.impostor("hold_stack", lie) as lied:
                for _ in range(100):
                    if lied.is_set():
                        break
                    await owner.signal("changed", {})
                    await asyncio.sleep(0.1)
                assert lied.is_set()

            async def is_paged() -> bool:
                pages = (await asyncio.to_thread(stage.stack.layout.pages.read_text)).splitlines()
                return any(here.namespace in page and "still lives" in page for page in pages)

            await until(is_paged, lambda: "nobody was told that the owner of the stack was lied to")
