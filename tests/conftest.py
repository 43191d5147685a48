"""One control plane for the whole run, with our manifests applied; and what must come last does."""

import pytest
from hypothesis import HealthCheck, settings

from tests.control_plane import control_plane

__all__ = ["control_plane"]

# examples are judged by what they show, not by how long a busy machine needs for them
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

LAST = "test_replay.py"
"""Replays what all other tests of its folder have left."""

ASKED_FOR = ("slow", "node")
"""Marks of tests that run only where markers are chosen."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let people ask the real API server about more random worlds, and a real node about one of them again."""
    parser.addoption("--oracle-worlds", type=int, default=1, help="random worlds for the reachability oracle")
    parser.addoption("--node-worlds", type=int, default=8, help="random worlds for engine against packets")
    parser.addoption("--node-seed", type=int, help="the one world to play for engine against packets")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what must be asked for unless markers are chosen, and put the replays last."""
    if not config.getoption("markexpr"):
        asked = [item for item in items if any(item.get_closest_marker(mark) for mark in ASKED_FOR)]
        config.hook.pytest_deselected(items=asked)
        items[:] = [item for item in items if item not in asked]
    items.sort(key=lambda item: item.path.name == LAST)
