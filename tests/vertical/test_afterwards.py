"""What comes after: a pod that goes, an alert about what was undone, closed or terminated."""

import pytest

from activities.ports import NAMESPACES, NETWORK_POLICIES, PODS
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState
from tests.vertical.scene import ATTACKER, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

AGAIN = {"proc.name": "bash", "proc.cmdline": "bash -i"}


async def contained(stage: Stage, here: Scene) -> Incident:
    """Return the incident of a suspect that was isolated."""
    pod = await here.fill()
    await stage.post(here.alert(REVERSE_SHELL, pod))
    return await stage.incident(here, settled)


async def over(stage: Stage, incident: str) -> None:
    """Wait until an incident has ended: what is seen while it still tells people of its close keeps it open."""
    await stage.temporal.get_workflow_handle(incident).result()


async def next_after(stage: Stage, here: Scene, old: str) -> Incident:
    """Return the other incident of a namespace, once it was judged."""
    found: list[Incident] = []

    async def judged() -> bool:
        others = [one.id for one in await stage.summaries(here) if one.id != old]
        found[:] = [await stage.ledger.ask(one) for one in others]
        return bool(found and found[0].decisions)

    await until(judged, lambda: f"there is no new incident: {found}")
    return found[0]


async def test_a_pod_that_goes_takes_its_containment_with_it(stage: Stage) -> None:
    async with stage.scene() as here:
        incident = await contained(stage, here)
        await stage.cluster.delete(PODS.ref("web-0", here.namespace))
        await stage.incident(here, lambda one: one.summary.state is IncidentState.UNDONE)
        assert await here.changed() == ["pods/web-0"]
        assert (await stage.say(Verb.CLOSE, incident.summary.id)).accepted


async def test_the_same_suspicion_only_observes_after_a_false_alarm(stage: Stage) -> None:
    async with stage.scene() as here:
        old = (await contained(stage, here)).summary.id
        assert (await stage.say(Verb.UNDO, old, reason="a false alarm")).accepted
        assert (await stage.say(Verb.CLOSE, old)).accepted
        await over(stage, old)
        await stage.post(here.alert(REVERSE_SHELL, "web-0", **AGAIN))
        again = await next_after(stage, here, old)
        assert (again.summary.tier, again.links) == (1, (old,))
        assert any(term.name == "false alarm" for term in again.decisions[-1].terms)
        assert await here.changed() == []
        assert (await stage.say(Verb.CLOSE, again.summary.id)).accepted


async def test_a_pod_whose_incident_was_closed_over_what_stands_is_held_by_the_next(stage: Stage) -> None:
    async with stage.scene() as here:
        old = (await contained(stage, here)).summary.id
        assert (await stage.say(Verb.CLOSE, old, keep=True)).accepted
        await over(stage, old)
        await stage.post(here.alert(REVERSE_SHELL, "web-0", **AGAIN))
        again = await next_after(stage, here, old)
        assert again.links == (old,)
        await stage.reaches(again.summary.id, settled)
        pod = await stage.cluster.get(PODS.ref("web-0", here.namespace))
        for name in (old, again.summary.id):
            assert not await here.reaches(pod, ATTACKER)
            assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []


async def test_an_alert_after_a_terminate_opens_a_new_incident_and_both_are_undone(stage: Stage) -> None:
    async with stage.scene() as here:
        old = (await contained(stage, here)).summary.id
        await stage.temporal.get_workflow_handle(old).terminate("by somebody in the UI")
        await stage.post(here.alert(REVERSE_SHELL, "web-0", **AGAIN))
        again = await next_after(stage, here, old)
        assert again.links == (old,)
        await stage.reaches(again.summary.id, settled)
        pod = await stage.cluster.get(PODS.ref("web-0", here.namespace))
        for name in (again.summary.id, old):
            assert not await here.reaches(pod, ATTACKER)
            code, _, said = await stage.firebreak("undo", name)
            assert (code, said) == (0, "")
        assert await here.changed() == []
        assert len(await stage.cluster.list(NETWORK_POLICIES, here.namespace)) == 1


@pytest.mark.slow
async def test_a_namespace_that_is_deleted_leaves_nothing_to_undo(stage: Stage) -> None:
    async with stage.scene() as here:
        name = (await contained(stage, here)).summary.id
        await stage.cluster.delete(NAMESPACES.ref(here.namespace))

        async def gone() -> bool:
            return not any(
                one["metadata"]["name"] == here.namespace for one in await stage.cluster.list(NAMESPACES)
            )

        await until(gone, lambda: "the namespace is still there")
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
