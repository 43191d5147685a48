"""What a supervisor leaves running when it is killed: nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

PARENT = """
import subprocess, sys, time
from workers.stack.leash import Leash
leash = Leash(by_kernel={by_kernel})
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True, preexec_fn=leash.in_child)
leash.hold(child.pid)
gone = subprocess.Popen([sys.executable, "-c", ""])
leash.hold(gone.pid); gone.wait(); leash.release(gone.pid)
print(child.pid, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("by_kernel", [True, False])
def test_a_child_dies_with_a_parent_that_is_killed(by_kernel: bool) -> None:
    if by_kernel and sys.platform != "linux":
        pytest.skip("only Linux has PR_SET_PDEATHSIG")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(by_kernel=by_kernel)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)
