"""Two things at once, on the real API server."""

import asyncio

import pytest

from activities.ports import NETWORK_POLICIES, ROLE_BINDINGS
from deploy.identities import EXECUTOR_ROLE
from deploy.rbac import executor_binding
from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.receipts import ActionState
from signals.subjects import REMEDIATION_EXECUTOR
from tests.vertical.audit import doubled, written
from tests.vertical.scene import ATTACKER, EGRESS, ELSEWHERE, REVERSE_SHELL
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

OPEN = {"podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"]}


async def test_an_undo_while_apply_runs_comes_after_it_and_leaves_nothing(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        fate = stage.doom(REMEDIATION_EXECUTOR, here, 2, "before", "hold")
        await stage.post(here.alert(REVERSE_SHELL, pod))
        await until(stage.held(REMEDIATION_EXECUTOR), lambda: "the executor writes nothing")
        listed = await stage.summaries(here)
        assert [one.state for one in listed] == [IncidentState.INVESTIGATING]
        said = asyncio.create_task(stage.say(Verb.UNDO, listed[0].id))
        await asyncio.sleep(0.5)
        assert not said.done()
        fate.unlink()
        assert (await said).accepted
        assert await here.changed() == []
        undone = await stage.incident(here, lambda one: one.summary.state is IncidentState.UNDONE)
        assert [receipt.state for receipt in undone.receipts] == [ActionState.REVERTED]
        assert doubled(written(stage.stack.layout.audit_log, here.namespace)) == []


async def test_a_policy_that_is_edited_between_dry_run_and_write_is_planned_anew(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        fate = stage.doom(REMEDIATION_EXECUTOR, here, 2, "before", "hold")
        await stage.post(here.alert(REVERSE_SHELL, pod))
        await until(stage.held(REMEDIATION_EXECUTOR), lambda: "the executor writes nothing")
        edit = {"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 80, "protocol": "TCP"}]}}
        await stage.cluster.patch(NETWORK_POLICIES.ref("web", here.namespace), [edit])
        fate.unlink()
        incident = await stage.incident(here, settled)
        assert not await here.reaches(pod, ATTACKER)
        assert not await here.reaches(pod, ELSEWHERE)
        assert (await stage.say(Verb.UNDO, incident.summary.id)).accepted
        assert await here.changed() == ["networkpolicies/web"]
        policy = await stage.cluster.get(NETWORK_POLICIES.ref("web", here.namespace))
        assert len(policy["spec"]["egress"]) == 2


async def test_a_policy_that_is_created_during_containment_opens_nothing(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, settled)
        await here.policy("open", OPEN)
        assert await here.reaches(pod, ATTACKER)

        async def closed() -> bool:
            return not await here.reaches(pod, ATTACKER)

        await until(closed, lambda: "the new policy stays open")
        assert (await stage.say(Verb.UNDO, incident.summary.id)).accepted
        assert await here.changed() == ["networkpolicies/open"]
        policy = await stage.cluster.get(NETWORK_POLICIES.ref("open", here.namespace))
        assert policy["spec"] == OPEN


async def test_an_executor_without_rights_says_so_and_undoes_once_it_has_them_again(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
        await stage.cluster.delete(ROLE_BINDINGS.ref(EXECUTOR_ROLE, here.namespace))
        answer = await stage.say(Verb.UNDO, name)
        assert (answer.accepted, "forbidden" in answer.message) == (False, True)
        assert not await here.reaches(pod, ATTACKER)

        binding = executor_binding(here.namespace)
        await stage.cluster.create(ROLE_BINDINGS.ref(EXECUTOR_ROLE, here.namespace), binding)
        assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []


async def test_an_executor_without_rights_leaves_the_incident_alive_and_says_why(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.cluster.delete(ROLE_BINDINGS.ref(EXECUTOR_ROLE, here.namespace))
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, lambda one: bool(one.decisions and one.receipts))
        assert {receipt.state for receipt in incident.receipts} == {ActionState.FAILED}
        assert "forbidden" in incident.receipts[0].reason
        assert (await stage.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted


async def test_a_pod_known_by_name_and_later_by_uid_is_one_incident(stage: Stage) -> None:
    async with stage.scene() as here:
        await here.policy()
        await stage.post(here.alert(EGRESS, "late-0"))
        early = await stage.incident(here, lambda one: one.summary.state is IncidentState.OBSERVED)
        pod = await here.pod("late-0")
        await here.running()
        here.before = await here.picture()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, settled)
        assert incident.summary.id == early.summary.id
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted
        assert await here.changed() == []


async def test_the_same_two_events_in_one_batch_and_apart_end_the_same(stage: Stage) -> None:
    ends = []
    for apart in (False, True):
        async with stage.scene() as here:
            pod = await here.fill()
            pair = here.alert(EGRESS, pod), here.alert(REVERSE_SHELL, pod)
            if apart:
                await stage.post(pair[0])
                await stage.incident(here, settled)
                await stage.post(pair[1])
            else:
                await stage.post(*pair)
            incident = await stage.incident(
                here, lambda one: settled(one) and "isolate_pod" in {a.type for a in one.summary.actions}
            )
            last = incident.decisions[-1]
            reach = [await here.reaches(pod, peer) for peer in (ATTACKER, ELSEWHERE)]
            ends.append(
                (last.tier, last.confidence, last.severity, last.techniques, incident.summary.state, reach)
            )
            assert (await stage.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted
            assert await here.changed() == []
    assert ends[0] == ends[1]
