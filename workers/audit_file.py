"""The audit record read out of NATS by the operator, and as a file that proves itself with nothing running.

A file is JSON lines, one message of a stream each, as it stands there: nothing is left out and nothing is added.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from signals.audit import Anchor, Link
from signals.envelope import Trust, public_keys
from signals.errors import BadInput
from signals.pages import AUDIT_FACT
from signals.subjects import AGENTS, OPERATOR, audit_stream
from workers.bus import Bus

WRITERS = (*AGENTS, OPERATOR)
"""Whose streams make up the record."""


async def links(bus: Bus) -> AsyncIterator[Link]:
    """Yield every message of every audit stream, as the operator may read them.

    Raises:
        Unavailable: NATS does not answer, or a stream is not there.
    """
    for agent in WRITERS:
        async for stored in bus.oldest(audit_stream(agent), owner=agent if agent != bus.agent else None):
            text = stored.data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
            yield Link(stream=agent, sequence=stored.sequence, subject=stored.subject, data=text)


def read_links(file: Path) -> Iterator[Link]:
    """Yield the messages of an exported file.

    Raises:
        BadInput: it cannot be read, or a line is none of ours; the text names it.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield Link.model_validate_json(line)
        except ValidationError as error:
            raise BadInput(f"{file}, line {number} is no line of an exported audit record") from error


def read_anchors(files: Sequence[Path]) -> tuple[list[Anchor], list[str]]:
    """Return the anchors of these files, and the beginnings of digests in pages; both are JSON lines.

    Raises:
        BadInput: a file cannot be read, or holds neither.
    """
    anchors: list[Anchor] = []
    pages: list[str] = []
    for file in files:
        found = len(anchors) + len(pages)
        for line in _lines(file):
            try:
                document = json.loads(line)
            except ValueError:
                continue  # a line that a killed writer left half done
            if not isinstance(document, dict):
                continue
            if "heads" in document:
                anchors.append(_anchor(document, file))
            elif isinstance(facts := document.get("facts"), dict) and (carried := facts.get(AUDIT_FACT)):
                pages.append(str(carried))
        if file.stat().st_size and found == len(anchors) + len(pages):
            raise BadInput(f"{file} holds no anchors, and no pages that carry one")
    return anchors, list(dict.fromkeys(pages))


def _anchor(document: object, file: Path) -> Anchor:
    try:
        return Anchor.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{file} holds an anchor that cannot be read: {error.errors()[0]['msg']}") from error


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def read_trust(folder: Path) -> Trust:
    """Return the public keys of all agents in a folder, those that they had before included.

    Raises:
        BadInput: there are none, or one cannot be read.
    """
    pems: dict[str, bytes] = {}
    for file in [*sorted((folder / "public").glob("*.pub")), *sorted((folder / "retired").glob("*.pub"))]:
        pems[file.stem] = pems.get(file.stem, b"") + file.read_bytes()
    if not pems:
        raise BadInput(f"there are no public keys in {folder / 'public'}; say where with --keys DIR")
    return Trust({agent: public_keys(agent, pem) for agent, pem in pems.items()})
