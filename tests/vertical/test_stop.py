"""One person stops Firebreak, through the API server alone; two have to resume it; nothing is lost between."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from signals.approvals import Verb
from signals.incidents import Incident
from signals.receipts import ActionState
from tests.vertical.audit import written
from tests.vertical.scene import ATTACKER, REVERSE_SHELL
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

HEARD_SECONDS = 1.0


@asynccontextmanager
async def resumed(stage: Stage) -> AsyncIterator[None]:
    """Resume afterwards, whatever happened: the stack is everybody's."""
    try:
        yield
    finally:
        for person in ("oncall", "lead"):
            await stage.firebreak("resume", "--person", person)


@contextmanager
def frozen(stage: Stage, *processes: str) -> Iterator[None]:
    """Hold processes still: they are there, and answer nobody."""
    pids = [pid for name in processes if (pid := stage.status.process(name).pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def postponed(incident: Incident) -> bool:
    return any(receipt.state is ActionState.POSTPONED for receipt in incident.receipts)


async def test_a_stop_needs_neither_temporal_nor_nats_and_outlives_a_kill_and_two_must_resume(
    stage: Stage,
) -> None:
    async with stage.scene() as here, resumed(stage):
        pod = await here.fill()
        with frozen(stage, "temporal", "nats"):
            began = time.monotonic()
            code, _, said = await stage.firebreak("stop", "--reason", "a test")
            took = time.monotonic() - began
            assert (code, said) == (0, "")
        stage.figures["stop: from the command to the executor's answer, Temporal and NATS frozen"] = (
            f"{took:.2f} s"
        )
        assert took < 3 * HEARD_SECONDS
        restarts = stage.kill("remediation-executor")
        await stage.back("remediation-executor", restarts)

        await stage.post(here.alert(REVERSE_SHELL, pod))
        waits = await stage.incident(here, postponed)
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert any("stopped by oncall: a test" in moment.detail for moment in waits.timeline)
        status = json.loads((await stage.firebreak("status", "-o", "json"))[1])
        assert "oncall" in status["stopped"]

        assert (await stage.firebreak("resume", "--person", "oncall"))[0] == 0
        code, _, said = await stage.firebreak("resume", "--person", "oncall")
        assert (code, "another person" in said) == (3, True)
        await asyncio.sleep(1)
        assert written(stage.stack.layout.audit_log, here.namespace) == []
        assert (await stage.firebreak("resume", "--person", "lead"))[0] == 0
        assert (await stage.firebreak("resume", "--person", "lead"))[0] == 3
        after = await stage.incident(here, settled)
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.CLOSE, after.summary.id, undo=True)).accepted
        assert await here.changed() == []


async def test_what_stands_stays_during_a_stop_and_a_person_can_put_it_back(stage: Stage) -> None:
    async with stage.scene() as here, resumed(stage):
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        name = (await stage.incident(here, settled)).summary.id
        assert (await stage.firebreak("stop", "--person", "lead"))[0] == 0
        assert not await here.reaches(pod, ATTACKER)
        assert (await stage.say(Verb.UNDO, name)).accepted
        assert await here.changed() == []
        assert (await stage.say(Verb.CLOSE, name)).accepted


async def test_everybody_is_paged_of_a_stop_and_of_a_resume(stage: Stage) -> None:
    async with resumed(stage):
        reason = f"paged {time.time_ns()}"
        for verb in ("stop", "resume"):
            code, said, why = await stage.firebreak(verb, "--reason", reason)
            assert code == 0, (verb, said, why)

        async def paged() -> bool:
            lines = (await asyncio.to_thread(stage.stack.layout.pages.read_text)).splitlines()
            return sum(reason in line for line in lines) == 2

        await until(paged, lambda: "nobody was paged")


async def test_a_storm_in_progress_stops(stage: Stage) -> None:
    async with stage.scene() as here, resumed(stage):
        pods = [await here.pod(f"web-{number}") for number in range(30)]
        await here.policy()
        await here.running()
        posting = asyncio.create_task(stage.post(*[here.alert(REVERSE_SHELL, pod) for pod in pods]))
        log = stage.stack.layout.audit_log
        await until(
            lambda: _one(bool(written(log, here.namespace))), lambda: "nothing was written", pause=0.02
        )
        assert (await stage.firebreak("stop"))[0] == 0
        await asyncio.sleep(HEARD_SECONDS)
        at_rest = written(log, here.namespace)
        await posting
        await asyncio.sleep(2)
        assert written(log, here.namespace) == at_rest
        for summary in await stage.summaries(here):
            await stage.say(Verb.CLOSE, summary.id, undo=True)


async def _one(value: bool) -> bool:
    return value
