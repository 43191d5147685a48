"""A policy that loosens: the old one holds until the lead has approved exactly this change, and all are told."""

import json

import pytest

from signals.approvals import Verb
from signals.receipts import ActionState
from tests.vertical.audit import written
from tests.vertical.ruled import approve, install
from tests.vertical.scene import ATTACKER, REVERSE_SHELL
from tests.vertical.stage import Stage, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LOOSER = "isolate_steps: []\nextensions: 9\nauthority: {rules: []}\n"


async def test_a_looser_policy_waits_for_the_lead_and_asks_about_everything_meanwhile(stage: Stage) -> None:
    usual = stage.stack.layout.policy.read_text()
    try:
        before, after = await install(stage, LOOSER)
        command = f"firebreak approve-policy {before} {after}"
        code, told, _ = await stage.firebreak("status")
        assert (code, command in " ".join(told.split())) == (0, True), told
        async with stage.scene() as here:
            pod = await here.fill()
            await stage.post(here.alert(REVERSE_SHELL, pod))
            asked = await stage.incident(here, lambda one: one.summary.waiting_for is not None)
            name = asked.summary.id
            assert {receipt.state for receipt in asked.receipts} == {ActionState.STAGED}
            assert command in asked.receipts[0].reason
            assert written(stage.stack.layout.audit_log, here.namespace) == []
            assert (await stage.say(Verb.CLOSE, name)).accepted

        code, _, said = await stage.firebreak("approve-policy", before, after, "--person", "oncall")
        assert (code, "--person lead" in said) == (3, True), "who is on call may not loosen"
        await approve(stage, before, after)
        code, document, _ = await stage.firebreak("status", "-o", "json")
        assert (code, json.loads(document)["attention"]) == (0, [])
        async with stage.scene() as here:
            pod = await here.fill()
            await stage.post(here.alert(REVERSE_SHELL, pod))
            done = await stage.incident(here, settled)
            assert done.decisions[0].policy_digest == after
            assert not await here.reaches(pod, ATTACKER)
            assert (await stage.say(Verb.CLOSE, done.summary.id, undo=True)).accepted
            assert await here.changed() == []
    finally:
        await install(stage, usual)
