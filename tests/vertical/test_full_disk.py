"""A disk that is full, for NATS and for Temporal: refused loudly, nothing lost, resumed by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(280)]

NAMESPACE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
ROOT = Path(__file__).parents[2]


def may_mount(folder: Path) -> bool:
    """Say whether this user may have a file system of their own, in a namespace of their own."""
    command = (*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(folder))
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def played(server: str, folder: Path) -> dict[str, Any]:
    """Play it in a namespace of its own; return what came of it."""
    if not may_mount(folder):
        pytest.skip("a small file system cannot be mounted: neither root nor user namespaces")
    command = (*NAMESPACE, sys.executable, "-m", "tests.vertical.full_disk", server, str(folder))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=270)
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_nats_without_space_refuses_alerts_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    told = played("nats", tmp_path)
    assert told["refused"], told["codes"]
    assert told["lost"] == []
    assert told["pages"] == ["Firebreak is short of room: nats"]
    assert not told["still_told"]


def test_temporal_without_space_keeps_what_is_accepted_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    told = played("temporal", tmp_path)
    assert told["refused"], "NATS has room: what is accepted waits there"
    assert told["lost"] == []
    assert told["pages"] == ["Firebreak is short of room: temporal"]
    assert not told["still_told"]
