"""A drill that starts its own stack, on the memory cluster: plain without a terminal, and gone without a trace."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.settings import inherited

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


IN_BACKGROUND = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""How a shell starts what it does not wait for."""


def firebreak(tmp_path: Path, *arguments: str, started: str = "") -> subprocess.Popen[str]:
    """Start a command that has no terminal, whose temporary folders are under `tmp_path`."""
    script = f"{started}import sys; from workers.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "--state", str(tmp_path / "none")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited(), "TMPDIR": str(tmp_path), "PYTHONPATH": os.getcwd()},
    )


def test_the_story_is_told_plainly_and_nothing_stays_behind(tmp_path: Path) -> None:
    with firebreak(tmp_path, "drill", "all", "--cluster", "memory") as drill:
        out, err = drill.communicate(timeout=150)
    assert drill.returncode == 0, (out, err)
    assert err == ""
    assert "6 of 6 scenarios ended as said" in out
    assert "\x1b" not in out
    assert "✘" not in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("started", ["", IN_BACKGROUND], ids=["foreground", "background"])
def test_told_to_stop_it_takes_its_stack_with_it(tmp_path: Path, started: str) -> None:
    with firebreak(tmp_path, "drill", "--cluster", "memory", started=started) as drill:
        while not list(tmp_path.glob("firebreak-*/status.json")):
            assert drill.poll() is None
            time.sleep(0.05)
        drill.send_signal(signal.SIGTERM)
        _, err = drill.communicate(timeout=60)
    assert drill.returncode == 130
    assert err == ""
    assert list(tmp_path.iterdir()) == []
