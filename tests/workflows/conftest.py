"""One world for all tests of workflows."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.workflows.running import running
from tests.workflows.world import World


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world() -> AsyncIterator[World]:
    """Yield one world for the whole run; every test makes its own namespace in it."""
    async with running() as made:
        yield made
