"""The control run: without an enforcer no proof by packets holds, and all others do."""

import pytest

from signals.receipts import ActionState
from tests.node import proofs
from tests.vertical.stage import Stage

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_without_an_enforcer_nothing_is_refused_and_the_undo_is_exact_all_the_same(
    unenforced: Stage,
) -> None:
    for play, flows in ((proofs.block, {"attacker"}), (proofs.isolate, {"out", "in"})):
        seen = await play(unenforced)
        assert seen.refused == dict.fromkeys(flows, False)
        assert seen.ended == dict.fromkeys(flows, False)
        assert (seen.neighbours, seen.changed) == ([], [])
        assert seen.incident
        states = {one.action.type: one.state for one in seen.incident.receipts}
        assert ActionState.EFFECTIVE not in (states.get("block_flow"), states.get("isolate_pod")), states
