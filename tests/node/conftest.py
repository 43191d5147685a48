"""Stacks on a real node: one for most tests, and one for each other way to enforce."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.node.ground import grounded
from tests.vertical.stage import Stage

FIGURES: dict[str, str] = {}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cutting() -> AsyncIterator[Stage]:
    """Yield a stack whose node cuts open connections too."""
    with tempfile.TemporaryDirectory(prefix="firebreak-") as root:
        async with grounded(Path(root), "cut") as stage:
            yield stage
            FIGURES.update(stage.figures)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keeping() -> AsyncIterator[Stage]:
    """Yield a stack whose node lets open connections go on."""
    with tempfile.TemporaryDirectory(prefix="firebreak-") as root:
        async with grounded(Path(root), "keep") as stage:
            yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unenforced() -> AsyncIterator[Stage]:
    """Yield a stack on whose node policies are objects and nothing else."""
    with tempfile.TemporaryDirectory(prefix="firebreak-") as root:
        async with grounded(Path(root), "none") as stage:
            yield stage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    for name, figure in sorted(FIGURES.items()):
        terminalreporter.write_line(f"{name}: {figure}")
