"""The goldens as files, with a manifest that says which version of the code made each."""

import gzip
import hashlib
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel
from temporalio.client import WorkflowHistory

import workflows
from tests.golden.stage import Kept
from workers import histories

GOLDEN = Path(__file__).parent
MANIFEST = "manifest.json"
COMMAND = "python -m tests.golden"


class Made(BaseModel, frozen=True):
    """One golden: what it is, and what made it."""

    workflow: str
    case: str
    closed: bool
    events: int
    sha256: str
    """Of the file: a golden is never changed."""
    commit: str
    """`git describe` of the code that made it."""
    workflows: str
    """A hash of the content of `workflows/`."""
    on: datetime


class Shelf:
    """One folder of goldens."""

    def __init__(self, folder: Path = GOLDEN) -> None:
        self.folder = folder

    def manifest(self) -> dict[str, Made]:
        """Return what made each golden, by file."""
        path = self.folder / MANIFEST
        told = json.loads(path.read_text()) if path.exists() else {}
        return {file: Made.model_validate(made) for file, made in told.items()}

    def files(self) -> dict[str, Path]:
        """Return every golden."""
        return {str(path.relative_to(self.folder)): path for path in sorted(self.folder.rglob("*.json.gz"))}

    def read(self, file: str) -> WorkflowHistory:
        """Return one golden."""
        return histories.read(self.folder / file)

    def add(self, kept: list[Kept]) -> list[str]:
        """Write those that are not there yet; return their files. None is ever overwritten."""
        manifest = self.manifest()
        new = [one for one in kept if not (self.folder / one.file).exists()]
        for one in new:
            path = self.folder / one.file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(one.history.to_json_dict(), separators=(",", ":"))
            packed = gzip.compress(text.encode(), 9, mtime=0)
            path.write_bytes(packed)
            manifest[one.file] = Made(
                workflow=one.workflow,
                case=one.case,
                closed=one.closed,
                events=len(one.history.events),
                sha256=hashlib.sha256(packed).hexdigest(),
                commit=_described(),
                workflows=content(),
                on=datetime.now(UTC).replace(microsecond=0),
            )
        told = {file: made.model_dump(mode="json") for file, made in sorted(manifest.items())}
        (self.folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n")
        return [one.file for one in new]


def content() -> str:
    """Return a hash of the workflows' code."""
    found = hashlib.sha256()
    for path in sorted(Path(str(workflows.__file__)).parent.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _described() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--tags"], cwd=GOLDEN, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
