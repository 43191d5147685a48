"""The last test here: every history that the others left is replayed, those of crashes included."""

import pytest

from signals.approvals import Verb
from tests.replaying import replayed
from tests.vertical.scene import EGRESS
from tests.vertical.stage import Stage, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


async def test_every_history_of_this_run_replays(stage: Stage) -> None:
    async with stage.scene() as here:
        await stage.post(here.alert(EGRESS, await here.fill()))
        name = (await stage.incident(here, settled)).summary.id
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
    count, failures = await replayed(stage.temporal)
    stage.figures["histories replayed"] = f"{count}"
    assert count >= 2
    assert not failures, "\n".join(failures.values())
