"""Incidents as they are read back from a real Temporal server: open, closed, and with every worker gone."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from signals.errors import NotFound, Unavailable
from signals.incidents import Incident, IncidentState
from tests.workers.cli import sample
from tests.workers.cli.remembered import Remembered
from workers.cli import ledger as ledgers
from workers.cli import main
from workers.cli.ledger import Ledger
from workers.cli.watching import Watch
from workers.stack.wheels import binary

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def temporal() -> AsyncIterator[Client]:
    """A Temporal server of this module's own."""
    names = ("FirebreakNamespace=Keyword", "FirebreakCluster=Keyword")
    attributes = [argument for name in names for argument in ("--search-attribute", name)]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binary("temporal")),
        dev_server_extra_args=attributes,
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment.client


@asynccontextmanager
async def remembered(
    temporal: Client, *titles: str
) -> AsyncIterator[tuple[Ledger, list[WorkflowHandle[Remembered, None]]]]:
    """Yield a reader and workflows that a worker answers for, the oldest first."""
    queue = uuid.uuid4().hex
    handles = []
    async with Worker(temporal, task_queue=queue, workflows=[Remembered]):
        for age, title in enumerate(reversed(titles)):
            given = _incident(title, timedelta(hours=len(titles) - age))
            handles.append(
                await temporal.start_workflow(Remembered.run, given, id=given.summary.id, task_queue=queue)
            )
        yield Ledger(temporal), handles
        for handle in handles:
            with suppress(RPCError):
                await handle.terminate()


def _incident(title: str, age: timedelta) -> Incident:
    whole = sample.incident(title=title)
    summary = whole.summary.model_copy(
        update={"id": f"case-{uuid.uuid4().hex[:8]}", "opened_at": sample.OPENED - age}
    )
    return whole.model_copy(update={"summary": summary})


async def _eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(100):
        if await ask():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it never came so far")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_list_holds_open_and_closed_incidents_newest_first(temporal: Client) -> None:
    async with remembered(temporal, "new", "old") as (ledger, handles):
        await handles[0].signal(Remembered.end)
        await handles[0].result()
        ids = [handle.id for handle in reversed(handles)]

        async def listed() -> bool:
            found = [summary for summary in await ledger.summaries() if summary.id in ids]
            states = [summary.state for summary in found]
            return [summary.id for summary in found] == ids and states == ["contained", "closed"]

        await _eventually(listed)


@pytest.mark.asyncio(loop_scope="module")
async def test_one_incident_is_told_whole_by_its_workflow_also_when_it_is_over(temporal: Client) -> None:
    async with remembered(temporal, "x") as (ledger, handles):
        found = await ledger.find(handles[0].id)
        assert found.whole
        assert found.incident.receipts == sample.incident().receipts
        await handles[0].signal(Remembered.end)
        await handles[0].result()
        assert (await ledger.find(handles[0].id)).incident.summary.state is IncidentState.CLOSED


@pytest.mark.asyncio(loop_scope="module")
async def test_with_every_worker_gone_the_summary_is_still_known(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "ANSWER", timedelta(seconds=1))
    monkeypatch.setattr(ledgers, "WORKER_SECONDS", 1.0)
    given = _incident("alone", timedelta())
    queue = uuid.uuid4().hex
    async with Worker(temporal, task_queue=queue, workflows=[Remembered]):
        handle = await temporal.start_workflow(Remembered.run, given, id=given.summary.id, task_queue=queue)
        await handle.query(Remembered.incident)
    found = await Ledger(temporal).find(given.summary.id)
    assert not found.whole
    assert found.incident.summary.title == "alone"
    await handle.terminate()


@pytest.mark.asyncio(loop_scope="module")
async def test_an_incident_that_never_was_is_told_so(temporal: Client) -> None:
    with pytest.raises(NotFound, match="firebreak incidents"):
        await Ledger(temporal).find("nothing-of-the-kind")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_name_with_quotes_is_a_name(temporal: Client) -> None:
    assert await Ledger(temporal).summaries("shop' OR WorkflowType != '") == ()


@pytest.mark.asyncio(loop_scope="module")
async def test_watching_ends_with_the_state_that_was_waited_for(temporal: Client) -> None:
    async with remembered(temporal, "x") as (ledger, handles):
        lines: list[str] = []
        watch = Watch(ledger=ledger, incident=handles[0].id, until="closed")
        watching = asyncio.create_task(watch.plainly(lines.append))
        await asyncio.sleep(0.2)
        assert not watching.done()
        await handles[0].signal(Remembered.end)
        await asyncio.wait_for(watching, 10)
        assert lines[0] == f"{handles[0].id}  contained  tier 3  x"
        assert lines[-1] == f"{handles[0].id}  closed  tier 3  x"
        assert sum("isolated" in line for line in lines) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_the_commands_themselves_read_a_temporal_that_is_named(
    temporal: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    address = temporal.service_client.config.target_host
    async with remembered(temporal, sample.EVIL) as (ledger, handles):
        await ledger.ask(handles[0].id)
        for verb in (["describe", handles[0].id], ["explain", handles[0].id], ["incidents"]):
            code = await asyncio.to_thread(main, [*verb, "--temporal", address, "-o", "json"])
            shown = capsys.readouterr().out
            assert code == 0
            assert isinstance(json.loads(shown), dict if verb[0] == "describe" else list)
            assert await asyncio.to_thread(main, [*verb, "--temporal", address]) == 0
            shown = capsys.readouterr().out
            assert "\x1b" not in shown
            assert "\u202e" not in shown


async def test_a_temporal_that_is_not_there_is_told_within_the_patience(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1\b"):
        await Ledger.connect("127.0.0.1:1", "default", seconds=0.5)
