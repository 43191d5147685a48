"""How a stack is ended from outside: its supervisor is asked, and what an earlier one left is killed."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from signals.errors import StackError
from workers.stack import state
from workers.stack.layout import Layout

PAUSE = 0.05
PATIENCE = 60.0


def down(root: Path) -> bool:
    """Stop the stack of a state folder, and what an earlier one left. Say whether there was anything to stop.

    Raises:
        StackError: it does not end.
    """
    layout = Layout(root.absolute())
    pid = state.supervisor(root)
    if pid:
        os.kill(pid, signal.SIGTERM)
        _await(lambda: state.supervisor(root) != pid, f"the supervisor (pid {pid}) does not end")
    left = [process.pid for process in state.leftovers(layout) if process.pid]
    for child in left:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _await(lambda: not state.leftovers(layout), f"what an earlier stack left does not end: {left}")
    return bool(pid or left)


def _await(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise StackError(otherwise)
        time.sleep(PAUSE)
