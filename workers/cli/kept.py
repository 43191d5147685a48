"""Reads what the capturer has kept, as the one bus identity that may only read it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from signals.captures import CaptureManifest
from signals.envelope import Trust
from signals.errors import BadInput, NotFound, StackError
from signals.subjects import CAPTURER, EVIDENCE_BUCKET, EVIDENCE_READER
from workers.bus import Bus
from workers.evidence import Evidence
from workers.settings import Settings
from workers.stack.layout import Layout

SHORTEST = 6
"""Letters of a hash that name a piece."""


class Kept(BaseModel, frozen=True):
    """One piece of evidence of an incident."""

    item: int
    """Its number in the list: `firebreak evidence get INCIDENT ITEM`."""
    what: str
    """What it is, for a person."""
    sha256: str = ""
    """Of the bytes that are kept; empty where nothing is."""
    size: int = 0
    """Bytes kept."""
    failed: str = ""
    """Why it could not be had; empty where it is kept."""
    at: datetime
    """When it was captured."""
    manifest: str
    """The sha256 of the manifest that names it, which the incident's receipt names too."""


@dataclass(frozen=True)
class Store:
    """Where evidence is: a bus, the folder of its certificates, and the folder of public keys."""

    nats: str
    nats_dir: Path
    keys: Path

    @classmethod
    def of_stack(cls, state: Path, nats: str | None) -> "Store":
        """Return the store of the stack in a folder.

        Raises:
            StackError: it has no bus.
        """
        layout = Layout(state)
        if nats is None:
            raise StackError(f"the stack in {state} has no bus: is it up?")
        return cls(nats, layout.nats, layout.keys / "public")

    def trust(self) -> Trust:
        """Return the capturer's public key.

        Raises:
            BadInput: there is none.
        """
        file = self.keys / f"{CAPTURER}.pub"
        try:
            return Trust.from_pem({CAPTURER: file.read_bytes()})
        except OSError as error:
            raise BadInput(f"{file}: {error.strerror}: evidence cannot be proved without it") from error

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Evidence]:
        """Yield the evidence.

        Raises:
            Unavailable, SettingsInvalid: the bus does not let us in.
        """
        settings = Settings(nats_url=self.nats, nats_dir=self.nats_dir)
        bus = await Bus.connect(settings, EVIDENCE_READER)
        try:
            yield Evidence(bus.kv(EVIDENCE_BUCKET))
        finally:
            await bus.close()


async def pieces(evidence: Evidence, incident: str, trust: Trust) -> list[Kept]:
    """Return everything of an incident, the oldest capture first, each manifest proved.

    Raises:
        NotFound: nothing was captured, or something was taken out.
        Refused: something was changed.
        Unavailable: the bus does not answer.
    """
    found: list[CaptureManifest] = [one async for one in evidence.manifests(incident, trust)]
    if not found:
        raise NotFound(f"nothing was captured of “{incident}”; `firebreak incidents` lists what there is")
    flat = [(manifest, item) for manifest in reversed(found) for item in manifest.items]
    return [
        Kept(
            item=number,
            what=item.what,
            sha256=item.sha256,
            size=item.size,
            failed=item.failed,
            at=manifest.at,
            manifest=manifest.digest,
        )
        for number, (manifest, item) in enumerate(flat, 1)
    ]


def chosen(kept: list[Kept], item: str) -> Kept:
    """Return the piece that a number, or the beginning of its sha256, names.

    Raises:
        BadInput: it names none, or several.
        NotFound: that one could not be had.
    """
    named = [one for one in kept if item.isdigit() and one.item == int(item)]
    if not named and len(item) >= SHORTEST:
        named = [*{one.sha256: one for one in kept if one.sha256.startswith(item)}.values()]
    if len(named) != 1:
        raise BadInput(f"{item!r} names {len(named) or 'no'} piece: say its number, or more of its sha256")
    if named[0].failed:
        raise NotFound(f"{named[0].what} could not be had: {named[0].failed}")
    return named[0]
