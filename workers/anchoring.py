"""Where all audit chains stand, kept outside of NATS: in a file, in every page, and in the liaison's own chain.

Who cuts a chain off, or writes it anew with a stolen key, cannot take back what was sent to people.
"""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import ValidationError

from signals.audit import Anchor, Head, Kind, entries
from signals.envelope import Envelope
from signals.errors import FirebreakError, Refused, Undecodable
from signals.subjects import AGENTS, LIAISON, OPERATOR, audit_stream
from workers.agent import Context
from workers.chain import unseal

ANCHOR_SECONDS = 300.0
"""How often it is looked whether a chain has grown; then it is anchored."""
FIRST_SECONDS = 3.0
"""The same while nothing is anchored yet."""
AT_LEAST_SECONDS = 3600.0
"""How often all chains are anchored, grown or not."""
LOOK_BACK = 50
"""Messages at the end of a stream in which its chains are looked for."""

log = structlog.get_logger(__name__)


class Anchoring:
    """The liaison's anchors."""

    def __init__(self, context: Context) -> None:
        """Anchor as this liaison, into the file that its settings name."""
        self._context = context
        self._file = context.settings.anchors_file
        self._heads: dict[tuple[str, str], Head] = {}
        self._last: Anchor | None = None

    @property
    def digest(self) -> str:
        """What a page carries of the last anchor; empty while there is none."""
        return self._last.digest[:16] if self._last else ""

    async def run(self) -> None:
        """Anchor for ever, first at once."""
        await self._recall()
        while True:
            try:
                await self.anchor()
            except (FirebreakError, OSError) as error:
                log.warning("the audit record is anchored later", error=str(error))
            await asyncio.sleep(ANCHOR_SECONDS if self._last else FIRST_SECONDS)

    async def anchor(self) -> Anchor | None:
        """Anchor all chains if one has grown, or an hour has gone by; return the anchor if there is a new one."""
        grown = [await self._look(agent) for agent in (*AGENTS, OPERATOR)]
        now = datetime.now(UTC)
        due = self._last is None or (now - self._last.at).total_seconds() >= AT_LEAST_SECONDS
        if not self._heads or not (due or any(grown)):
            return None
        heads = tuple(head for _, head in sorted(self._heads.items()))
        cluster = self._context.cluster.ref
        anchor = self._context.signer.seal(Anchor(cluster=cluster, at=now, heads=heads))
        if self._file:
            await asyncio.to_thread(_append, self._file, anchor)
        await self._context.audit.append(Kind.ANCHOR, anchor.model_dump(mode="json"))
        self._last = anchor
        return anchor

    async def _look(self, agent: str) -> bool:
        """Look where an agent's chains stand; return whether one has grown, its own anchors not counted."""
        owner = agent if agent != LIAISON else None
        seen, grown = 0, False
        async for stored in self._context.bus.newest(audit_stream(agent), owner=owner):
            try:
                grown |= self._take(unseal(stored, agent, self._context.trust, self._context.cluster.ref))
            except (Refused, Undecodable) as error:
                log.error("the audit record holds what nobody signed", agent=agent, error=str(error))
            seen += 1
            if seen >= LOOK_BACK:
                break
        if not seen and any(known == agent for known, _ in self._heads):
            log.error(
                "the audit record of an agent is gone; the last anchor tells where it stood", agent=agent
            )
        return grown

    def _take(self, envelope: Envelope) -> bool:
        """Remember the furthest link of a chain; one that stands before it now was cut off, and stays as it was."""
        chain = (envelope.agent, envelope.instance)
        known = self._heads.get(chain)
        if known and envelope.seq <= known.seq:
            return False
        self._heads[chain] = Head(
            agent=envelope.agent, instance=envelope.instance, seq=envelope.seq, digest=envelope.digest
        )
        told = entries(envelope)
        return not told or any(entry.kind is not Kind.ANCHOR for entry in told)

    async def _recall(self) -> None:
        """Begin where the last anchor in the file stood: what was cut off meanwhile must not look like news."""
        anchors = await asyncio.to_thread(read_anchors, self._file) if self._file else ()
        for anchor in anchors[-1:]:
            try:
                self._context.trust.check_sealed(LIAISON, anchor)
            except Refused as error:
                log.error("the last anchor in the file is no proof", error=str(error))
                return
            self._heads = {(head.agent, head.instance): head for head in anchor.heads}
            self._last = anchor


def _append(file: Path, anchor: Anchor) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(out, anchor.model_dump_json().encode() + b"\n")
        os.fsync(out)
    finally:
        os.close(out)


def read_anchors(file: Path) -> tuple[Anchor, ...]:
    """Return the anchors of a file of JSON lines; a line that a killed writer left half done is none."""
    found = []
    lines = file.read_bytes().splitlines() if file.exists() else []
    for line in lines:
        try:
            found.append(Anchor.model_validate(json.loads(line)))
        except (ValueError, ValidationError):
            continue
    return tuple(found)
