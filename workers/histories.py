"""Recorded histories in a folder: one JSON file for each run, as Temporal's own tools read it, and an index."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from google.protobuf.json_format import ParseError
from pydantic import BaseModel, ValidationError
from temporalio.client import WorkflowHistory

from signals.errors import BadInput

INDEX = "index.json"


class Run(BaseModel, frozen=True):
    """One run that was exported."""

    file: str
    workflow: str
    """Its type."""
    id: str
    run: str
    started_at: datetime
    closed_at: datetime | None
    """None: it was open."""
    events: int
    redacted: int
    """How many texts were changed."""
    replays: bool
    """Whether the version that exported it could replay it: what broke before is not the fault of a new one."""


class Index(BaseModel, frozen=True):
    """What a folder of exported histories holds."""

    version: str
    """Firebreak's, that exported them."""
    exported_at: datetime
    since: datetime
    """Runs that ended before are not here."""
    runs: tuple[Run, ...]
    left_out: tuple[str, ...] = ()
    """Runs that could not be exported, and why."""


def prepare(folder: Path) -> None:
    """Make a folder to export into.

    Raises:
        BadInput: there is something in it already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise BadInput(f"{folder} cannot be written to: {error.strerror}.") from error
    if occupied:
        raise BadInput(f"{folder} is not empty: export into a folder of its own.")


def write(folder: Path, file: str, history: WorkflowHistory) -> None:
    """Write one history."""
    (folder / file).write_text(history.to_json())


def write_index(folder: Path, index: Index) -> None:
    """Write what the folder holds, once everything is in it."""
    (folder / INDEX).write_text(index.model_dump_json(indent=2) + "\n")


def read_index(folder: Path) -> Index | None:
    """Return what a folder says that it holds; None where it was not exported by us.

    Raises:
        BadInput: the index is broken.
    """
    try:
        return Index.model_validate_json((folder / INDEX).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BadInput(
            f"{folder / INDEX} is not an index of histories: {error.errors()[0]['msg']}."
        ) from error


def files(folder: Path) -> list[Path]:
    """Return every history below a folder: exported by us, by Temporal's command line or its UI, or packed.

    Raises:
        BadInput: there is none.
    """
    found = [path for path in folder.rglob("*.json") if path.name != INDEX] + [*folder.rglob("*.json.gz")]
    if not found:
        raise BadInput(f"There are no histories in {folder}.")
    return sorted(found)


def read(path: Path) -> WorkflowHistory:
    """Read one history.

    Raises:
        BadInput: the file holds none.
    """
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        found = WorkflowHistory.from_json("", json.loads(text))
        started = found.events[0].workflow_execution_started_event_attributes
        _ = found.run_id
    except (OSError, EOFError, ValueError, ParseError, IndexError, RuntimeError) as error:
        raise BadInput(f"{path} is not a history of a workflow: {error}.") from error
    return WorkflowHistory(started.workflow_id or path.name.split(".")[0], found.events)


def named(folder: Path, index: Index | None) -> Iterator[tuple[Path, Run | None]]:
    """Return each history of a folder with what the index knows about it."""
    known = {run.file: run for run in index.runs} if index else {}
    for path in files(folder):
        yield path, known.get(str(path.relative_to(folder)))
