"""Containment where the network only looks at new connections: what is open goes on until its pod ends."""

import pytest

from tests.node import proofs
from tests.vertical.stage import Stage

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_an_isolation_refuses_what_is_new_and_what_is_open_goes_on(keeping: Stage) -> None:
    seen = await proofs.isolate(keeping)
    assert seen.refused == {"out": True, "in": True}
    assert seen.ended == {"out": False, "in": False}
    assert seen.back == {"out": True, "in": True}
    assert (seen.neighbours, seen.changed) == ([], [])
