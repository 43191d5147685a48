"""What takes its time: a stack that is stopped and started again, and an executor that does not answer."""

from pathlib import Path

import pytest

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.subjects import REMEDIATION_EXECUTOR
from tests.vertical.scene import ATTACKER, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, staged, until

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]


async def test_incidents_and_containment_outlive_the_whole_stack(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        here = Scene(stage.cluster, "outlives")
        await here.make()
        assert (await stage.enrol(here.namespace, "auto")).accepted
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
    async with staged(tmp_path) as stage:
        again = Scene(stage.cluster, "outlives", here.before)
        assert not await again.reaches(pod, ATTACKER)
        contained = await stage.incident(again, settled)
        assert (contained.summary.id, contained.summary.state) == (name, IncidentState.CONTAINED)
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        assert await again.changed() == []


async def test_people_hear_of_an_incident_that_the_executor_keeps_waiting(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        fate = stage.doom(REMEDIATION_EXECUTOR, here, 1, "before", "hold")
        await stage.post(here.alert(REVERSE_SHELL, pod))
        await until(stage.held(REMEDIATION_EXECUTOR), lambda: "the executor writes nothing")
        late = await stage.incident(here, lambda one: any("not answered" in m.what for m in one.timeline))
        assert late.summary.state is IncidentState.INVESTIGATING
        pages = stage.stack.layout.pages

        async def paged() -> bool:
            return any(
                late.summary.id in line and "has not answered" in line
                for line in pages.read_text().splitlines()
            )

        await until(paged, pages.read_text)
        fate.unlink()
        assert (await stage.incident(here, settled)).summary.state is IncidentState.CONTAINED
        assert (await stage.say(Verb.CLOSE, late.summary.id, undo=True)).accepted
        assert await here.changed() == []
