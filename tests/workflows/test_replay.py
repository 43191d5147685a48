"""The last test here: every history that the others left is replayed."""

import pytest

from signals.approvals import Verb
from tests.replaying import replayed
from tests.workflows.world import World, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


async def test_every_history_of_this_run_replays(world: World) -> None:
    handle = await world.open(world.event(await world.place()))
    await world.until(handle, settled)
    await world.say(handle, Verb.CLOSE, undo=True)
    count, failures = await replayed(world.client)
    assert count >= 2
    assert failures == {}
