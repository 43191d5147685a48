"""A workflow that does, one after another, what no workflow may do, and tells what it was kept from."""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

FORBIDDEN: dict[str, Callable[[], object]] = {
    "the clock": datetime.now,
    "the time": lambda: time.time(),
    "a pause": lambda: time.sleep(0),
    "a random number": lambda: random.random(),
    "a random id": lambda: uuid.uuid4(),
    "the folder": lambda: os.getcwd(),
    "a file": lambda: open(os.devnull),  # noqa: SIM115
}


@workflow.defn
class ProbeWorkflow:
    """Tries what the sandbox forbids, before and after others have run beside it."""

    @workflow.run
    async def run(self) -> tuple[list[str], int]:
        """Return what was refused, and which copy of this module it is."""
        refused = self._refused()
        await asyncio.sleep(0.2)
        return refused if self._refused() == refused else [], id(FORBIDDEN)

    def _refused(self) -> list[str]:
        refused = []
        for name, do in FORBIDDEN.items():
            try:
                do()
            except RestrictedWorkflowAccessError:
                refused.append(name)
        return refused
