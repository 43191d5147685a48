"""People speak through the API server: it proves who they are, and their incident answers on the Command."""

import asyncio
import json
from typing import Any

import pytest

from activities.ports import COMMANDS, Manifest
from signals.approvals import Verb
from signals.errors import Refused
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState
from signals.subjects import NAMESPACE
from tests.vertical.audit import doubled, written
from tests.vertical.scene import ATTACKER, EGRESS, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def asked(stage: Stage, here: Scene) -> Incident:
    """Return an incident that waits for a person."""
    pod = await here.fill()
    await stage.post(here.alert(REVERSE_SHELL, pod))
    return await stage.incident(here, lambda one: one.summary.waiting_for is not None)


async def commands(stage: Stage, incident: str) -> dict[str, list[Manifest]]:
    """Return the Commands about an incident, by verb."""
    found: dict[str, list[Manifest]] = {}
    for command in await stage.cluster.list(COMMANDS, NAMESPACE):
        if command["spec"].get("incident") == incident:
            found.setdefault(command["spec"]["verb"], []).append(command)
    return found


def answer_to(incident: Incident, **given: Any) -> dict[str, Any]:
    """Return what an approval says, as the command line puts it."""
    waiting = incident.summary.waiting_for
    assert waiting
    return {"planHash": waiting.plan_hash, "targetUIDs": list(waiting.target_uids), **given}


async def test_what_is_staged_is_written_once_the_one_on_call_says_so(stage: Stage) -> None:
    async with stage.scene("approve") as here:
        incident = await asked(stage, here)
        name = incident.summary.id
        assert incident.summary.state is IncidentState.AWAITING_APPROVAL
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        code, text, _ = await stage.firebreak("approve", name, "--reason", "seen it too", "-o", "json")
        said = json.loads(text)
        assert (code, said["accepted"], said["actor"], said["authenticated"]) == (0, True, "oncall", True)

        contained = await stage.incident(here, settled)
        assert contained.receipts[0].approved_by == "oncall"
        command = (await commands(stage, name))["approve"][0]
        assert command["spec"]["actor"] == "oncall"
        assert command["status"]["accepted"] is True
        assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []


async def test_an_approval_of_another_plan_is_refused_on_its_command(stage: Stage) -> None:
    async with stage.scene("approve") as here:
        incident = await asked(stage, here)
        name = incident.summary.id
        told = await stage.say(Verb.APPROVE, name, **answer_to(incident, planHash="0" * 64))
        assert not told.accepted
        told = await stage.say(Verb.APPROVE, name, **answer_to(incident, targetUIDs=["another"]))
        assert not told.accepted
        messages = [one["status"]["message"] for one in (await commands(stage, name))["approve"]]
        assert any("plan has changed" in message for message in messages)
        assert any("targets are not those" in message for message in messages)
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.say(Verb.CLOSE, name)).accepted


async def test_nobody_speaks_for_another_or_above_their_station(stage: Stage) -> None:
    async with stage.scene("approve") as here, stage.person("oncall") as cluster:
        incident = await asked(stage, here)
        name = incident.summary.id
        for actor, role in (("lead", "oncall"), ("oncall", "lead")):
            spec = {"verb": "approve", "incident": name, "actor": actor, "role": role, **answer_to(incident)}
            forged = {"apiVersion": "firebreak.dev/v1alpha1", "kind": "Command", "spec": spec}
            with pytest.raises(Refused):
                await cluster.create(COMMANDS.ref(f"forged-{here.namespace}", NAMESPACE), forged)
        code, _, said = await stage.firebreak("enrol", here.namespace, "--mode", "auto", "--person", "oncall")
        assert (code, "--person lead" in said) == (3, True)
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.say(Verb.CLOSE, name)).accepted


async def test_a_rejected_plan_is_never_written_nor_asked_for_again(stage: Stage) -> None:
    async with stage.scene("approve") as here:
        incident = await asked(stage, here)
        name = incident.summary.id
        assert (await stage.firebreak("reject", name, "--reason", "a test"))[0] == 0
        assert (await stage.firebreak("approve", name))[0] == 3
        await stage.post(here.alert(REVERSE_SHELL, "web-0", **{"proc.name": "bash"}))
        again = await stage.incident(here, lambda one: len(one.events) == 2 and len(one.decisions) > 2)
        assert again.summary.waiting_for is None
        assert {receipt.state for receipt in again.receipts} == {ActionState.REFUSED}
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.say(Verb.CLOSE, name)).accepted


async def test_a_stand_down_puts_everything_back_and_nothing_more_is_written(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(EGRESS, pod))
        name = (await stage.incident(here, settled)).summary.id
        assert (await stage.firebreak("stand-down", name))[0] == 0
        assert await here.changed() == []
        await stage.post(here.alert(REVERSE_SHELL, pod))
        await stage.incident(here, lambda one: one.summary.tier == 3)
        assert await here.changed() == []
        assert await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.CLOSE, name)).accepted


async def test_a_namespace_is_not_let_go_while_something_stands_in_it(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
        code, _, said = await stage.firebreak("unenrol", here.namespace)
        assert (code, name in said) == (3, True)
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        assert (await stage.firebreak("unenrol", here.namespace))[0] == 0
        assert await here.changed() == []


async def test_a_rise_replaces_the_question_and_the_old_answer_counts_no_more(stage: Stage) -> None:
    async with stage.scene("approve") as here:
        pod = await here.fill()
        await stage.post(here.alert(EGRESS, pod))
        first = await stage.incident(here, lambda one: one.summary.waiting_for is not None)
        name = first.summary.id
        await stage.post(here.alert(REVERSE_SHELL, pod))
        risen = await stage.incident(here, lambda one: "isolate_pod" in {a.type for a in one.summary.actions})
        assert [action.type for action in risen.summary.actions] == ["isolate_pod"]
        assert not (await stage.say(Verb.APPROVE, name, **answer_to(first))).accepted
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.say(Verb.APPROVE, name, **answer_to(risen))).accepted
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        assert await here.changed() == []


async def test_two_who_approve_at_once_are_one_approval(stage: Stage) -> None:
    async with stage.scene("approve") as here:
        incident = await asked(stage, here)
        name = incident.summary.id
        answers = await asyncio.gather(
            *(stage.say(Verb.APPROVE, name, who, **answer_to(incident)) for who in ("oncall", "lead"))
        )
        assert sorted(answer.accepted for answer in answers) == [False, True]
        await stage.incident(here, settled)
        assert doubled(written(stage.stack.layout.audit_log, here.namespace)) == []
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        assert await here.changed() == []


async def test_two_who_undo_at_once_are_both_answered(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
        answers = await asyncio.gather(
            *(stage.say(Verb.UNDO, name, who) for who in ("oncall", "lead", "oncall", "lead"))
        )
        assert any(answer.accepted for answer in answers), answers
        assert await here.changed() == []
        assert (await stage.say(Verb.CLOSE, name)).accepted
        assert (await stage.summaries(here))[0].state is IncidentState.CLOSED
