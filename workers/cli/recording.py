"""Exports recorded histories out of a Temporal, and replays exported ones."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from temporalio.client import WorkflowExecution, WorkflowHistory

from signals.errors import Undecodable
from workers import histories
from workers.cli.ledger import Ledger
from workers.histories import Index, Run
from workers.redacting import Redacting
from workers.replaying import Replayed, replay, workflow_type


async def export(ledger: Ledger, folder: Path, since: datetime, tell: Callable[[str], None]) -> Index:
    """Write every run that is open, or ended since, redacted, into a folder; return what was written.

    Raises:
        Unavailable: Temporal does not answer.
    """
    redacting, runs, left_out = Redacting(), list[Run](), list[str]()
    async for row, history in ledger.recorded(since):
        try:
            harmless, count = redacting.redacted(history)
        except Undecodable as error:
            left_out.append(f"{row.workflow_type} {row.id} {row.run_id}: {error}")
            continue
        run = await _written(folder, row, harmless, count)
        runs.append(run)
        tell(f"{run.workflow} {run.id}, {'open' if run.closed_at is None else 'closed'}, {run.events} events")
    index = Index(
        version=version("firebreak"),
        exported_at=datetime.now(UTC),
        since=since,
        runs=tuple(runs),
        left_out=tuple(left_out),
    )
    histories.write_index(folder, index)
    return index


async def _written(folder: Path, row: WorkflowExecution, history: WorkflowHistory, redacted: int) -> Run:
    file = f"{row.workflow_type}.{row.run_id}.json"
    histories.write(folder, file, history)
    replayed = [one async for one in replay(_each([history]))]
    return Run(
        file=file,
        workflow=row.workflow_type,
        id=row.id,
        run=row.run_id,
        started_at=row.start_time,
        closed_at=row.close_time,
        events=len(history.events),
        redacted=redacted,
        replays=replayed[0].breach is None,
    )


async def check(folder: Path) -> AsyncIterator[tuple[Replayed, bool]]:
    """Replay every history of a folder; yield it, and whether it is a run that broke before already.

    Raises:
        BadInput: there is no history, or a file that is none.
    """
    index = histories.read_index(folder)
    known = list(histories.named(folder, index))
    before = {path: run is not None and not run.replays for path, run in known}
    broke = iter(before.values())
    async for replayed in replay(_read(before)):
        yield replayed, next(broke)


async def _read(paths: "dict[Path, bool]") -> AsyncIterator[WorkflowHistory]:
    for path in paths:
        yield histories.read(path)


async def _each(known: list[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in known:
        yield history


def document(replayed: Replayed, *, before: bool) -> dict[str, object]:
    """Return one result for machines."""
    breach = replayed.breach
    return {
        "workflow": workflow_type(replayed.history),
        "id": replayed.history.workflow_id,
        "run": replayed.history.run_id,
        "events": len(replayed.history.events),
        "replays": breach is None,
        "broke_before": before,
        "event": breach.event if breach else None,
        "event_type": breach.kind if breach else None,
        "reason": breach.reason if breach else "",
    }
