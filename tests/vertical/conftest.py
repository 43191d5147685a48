"""One stack for the whole run, with every agent as a process of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.vertical.ruled import under
from tests.vertical.stage import Stage, staged

FIGURES: dict[str, str] = {}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Yield the stack; every test makes a namespace of its own on it."""
    async with staged(tmp_path_factory.mktemp("vertical")) as stage:
        yield stage
        FIGURES.update(stage.figures)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole(stage: Stage) -> AsyncIterator[Stage]:
    """Yield the stack with every step of Tier 3, as the lead has approved it."""
    async with under(stage, "authority: {rules: []}\n"):
        yield stage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    for name, figure in sorted(FIGURES.items()):
        terminalreporter.write_line(f"{name}: {figure}")
