"""How an agent ends."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workers.agent import Context, until_stopped


async def _overhears_the_first_cancel() -> None:
    """Do what a loop around `asyncio.wait_for` does in Python 3.11 when answer and cancel come together."""
    forever = asyncio.Event()
    try:
        await forever.wait()
    except asyncio.CancelledError:
        await forever.wait()


async def test_an_agent_ends_though_one_of_its_tasks_overheard_that_it_should(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.agent.CANCEL_SECONDS", 0.05)
    stopping = asyncio.Event()
    given: Any = SimpleNamespace(stopping=stopping)
    task = asyncio.create_task(_overhears_the_first_cancel())
    await asyncio.sleep(0)
    stopping.set()

    async with asyncio.timeout(8):
        await until_stopped(cast("Context", given), task)

    assert task.cancelled()
