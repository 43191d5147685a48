"""From one alert to the last byte put back, driven as a user drives it."""

import json
from datetime import datetime

import pytest

from activities.ports import NETWORK_POLICIES, PODS
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState
from tests.vertical.audit import by_agents, doubled, written
from tests.vertical.scene import ATTACKER, EGRESS, ELSEWHERE, REVERSE_SHELL
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_one_alert_is_isolated_verified_explained_undone_and_closed(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        assert await here.reaches(pod, ATTACKER)
        assert await stage.post(here.alert(REVERSE_SHELL, pod)) == 200
        incident = await stage.incident(here, settled)
        name = incident.summary.id
        assert incident.summary.state is IncidentState.CONTAINED
        assert [receipt.state for receipt in incident.receipts] == [ActionState.UNVERIFIED]
        assert not await here.reaches(pod, ATTACKER)
        assert not await here.reaches(pod, ELSEWHERE)

        code, text, _ = await stage.firebreak("explain", name, "--all", "-o", "json")
        terms = {term["name"]: term["value"] for term in json.loads(text)[0]["terms"]}
        assert (code, terms["confidence"], terms["tier"]) == (0, "0.90", "3")
        code, text, _ = await stage.firebreak("describe", name)
        assert code == 0
        assert "WHAT WAS DONE" in text.upper()

        code, text, _ = await stage.firebreak("undo", name, "--reason", "it was us")
        assert (code, text.startswith("put back")) == (0, True)
        assert await here.changed() == []
        assert (await stage.firebreak("close", name))[0] == 0
        code, text, _ = await stage.firebreak("incidents", "-n", here.namespace, "-o", "json")
        assert [one["state"] for one in json.loads(text)] == ["closed"]

        ours = written(stage.stack.layout.audit_log, here.namespace)
        policy = f"networkpolicies/firebreak-{name}-isolate-pod"
        assert [str(write) for write in ours] == [
            f"create {policy}",
            "patch pods/web-0",
            "patch networkpolicies/web",
            "patch networkpolicies/web",
            "patch pods/web-0",
            f"delete {policy}",
        ]


async def test_a_known_bad_address_costs_one_flow_and_no_other(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(EGRESS, pod))
        incident = await stage.incident(here, settled)
        assert [receipt.action.type for receipt in incident.receipts] == ["block_flow", "annotate_pod"]
        assert not await here.reaches(pod, ATTACKER)
        assert await here.reaches(pod, ELSEWHERE)
        sibling = await stage.cluster.get(PODS.ref("web-1", here.namespace))
        assert await here.reaches(sibling, ATTACKER)

        assert (await stage.say(Verb.UNDO, incident.summary.id)).accepted
        assert await here.changed() == []
        assert doubled(written(stage.stack.layout.audit_log, here.namespace)) == []


async def test_in_shadow_nothing_is_written_and_the_plan_is_on_record(stage: Stage) -> None:
    async with stage.scene("shadow") as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, lambda one: one.summary.state is IncidentState.SHADOWED)
        assert incident.plan
        assert [answer.accepted for answer in incident.plan.dry_run] == [True, True, True]
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert await here.changed() == []


async def test_where_nobody_enrolled_it_is_judged_and_nothing_else(stage: Stage) -> None:
    async with stage.scene(None) as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, lambda one: one.summary.state is IncidentState.OBSERVED)
        assert incident.summary.tier == 3
        assert incident.plan is None
        assert "is not enrolled" in incident.decisions[0].why_not
        assert by_agents(stage.stack.layout.audit_log, here.namespace) == []
        assert await here.changed() == []


async def test_what_gitops_manages_is_staged_and_carried_out_once_it_is_paused(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.pod()
        ref = NETWORK_POLICIES.ref("web", here.namespace)
        await here.policy(labels={"argocd.argoproj.io/instance": "shop"})
        await here.running()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        incident = await stage.incident(here, lambda one: one.summary.waiting_for is not None)
        name, waiting = incident.summary.id, incident.summary.waiting_for
        assert waiting
        assert "managed by Argo CD" in incident.receipts[0].reason
        assert (await stage.firebreak("approve", name))[0] == 3
        assert written(stage.stack.layout.audit_log, here.namespace) == []

        await stage.cluster.patch(ref, [{"op": "remove", "path": "/metadata/labels"}])
        here.before = await here.picture()
        code, _, said = await stage.firebreak("approve", name)
        assert (code, "decide again" in said) == (3, True)
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.firebreak("approve", name))[0] == 0
        await stage.incident(here, settled)
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []


async def test_in_the_control_plane_everything_waits_for_the_lead(stage: Stage) -> None:
    async with stage.scene("approve", "kube-system") as here:
        pod = await here.fill()
        audit_log = stage.stack.layout.audit_log
        before = len(written(audit_log, here.namespace))  # a drill has been here, perhaps
        await stage.post(here.alert(REVERSE_SHELL, pod))
        found: list[Incident] = []

        async def asks() -> bool:
            mine = [one.id for one in await stage.summaries(here) if "pod/kube-system/web-0" in one.entities]
            found[:] = [await stage.ledger.ask(one) for one in mine]
            return any(one.summary.waiting_for for one in found)

        await until(asks, lambda: f"nothing asks: {found}")
        (incident,) = found
        name, waiting = incident.summary.id, incident.summary.waiting_for
        assert waiting
        assert (incident.summary.tier, waiting.roles) == (4, ("lead",))
        code, _, said = await stage.firebreak("approve", name)
        assert (code, "needs lead" in said) == (3, True)
        assert len(written(audit_log, here.namespace)) == before

        assert (await stage.firebreak("approve", name, "--person", "lead"))[0] == 0
        contained = await stage.reaches(name, settled)
        assert contained.receipts[0].approved_by == "lead"
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        assert await here.changed() == []
        for one in ("web-0", "web-1"):
            await stage.cluster.delete(PODS.ref(one, here.namespace))
        await stage.cluster.delete(NETWORK_POLICIES.ref("web", here.namespace))


async def test_an_incident_is_not_closed_over_what_stands(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
        code, _, said = await stage.firebreak("close", name)
        assert (code, "--undo" in said, "--keep" in said) == (3, True, True)
        assert not await here.reaches(pod, ATTACKER)

        assert (await stage.firebreak("close", name, "--undo"))[0] == 0
        assert await here.changed() == []
        listed = await stage.summaries(here)
        assert [one.state for one in listed] == [IncidentState.CLOSED]


async def test_what_is_extended_stands_longer_and_is_undone_as_exactly(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(EGRESS, pod))
        incident = await stage.incident(here, settled)
        name = incident.summary.id
        until = max(one.expires_at for one in incident.summary.actions if one.expires_at)
        code, text, _ = await stage.firebreak("extend", name, "--for", "2h")
        assert (code, text.startswith("it stands until")) == (0, True)
        longer = await stage.incident(
            here, lambda one: all(a.expires_at and a.expires_at > until for a in one.summary.actions)
        )
        assert {one.expires_at for one in longer.summary.actions} == {longer.receipts[0].expires_at}
        ours = await stage.cluster.list(
            NETWORK_POLICIES, here.namespace, "app.kubernetes.io/managed-by=firebreak"
        )
        told = ours[0]["metadata"]["annotations"]["firebreak.dev/expires-at"]
        expires = longer.receipts[0].expires_at
        assert expires
        assert datetime.fromisoformat(told) == expires.replace(microsecond=0)

        assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []
