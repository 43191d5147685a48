"""One control plane for the whole run, with our manifests applied; and what must come last does."""

import pytest

from tests.control_plane import control_plane

__all__ = ["control_plane"]

LAST = "test_replay.py"
"""Replays what all other tests of its folder have left."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the replays behind everything else, whatever order was drawn."""
    items.sort(key=lambda item: item.path.name == LAST)
