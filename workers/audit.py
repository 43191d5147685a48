"""One agent's part of the audit record: what it appends is signed, chained and on disk before it goes on.

What several tasks append at once goes into one message. See `signals.audit` for what the chains prove.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog

from signals.audit import Entry, Kind
from signals.entities import ClusterRef
from signals.envelope import Signer
from signals.errors import FirebreakError, Unavailable
from signals.subjects import audit_stream, audit_subject
from workers.bus import Bus
from workers.chain import Chain

TOGETHER = 200
"""Entries in one message."""
REMEMBERED = 10_000
"""Ids of entries that are told once only, however often their activity is tried."""
BACKLOG = 10_000
"""Entries that wait for NATS to come back; more are lost, and that is logged."""
AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
"""How long an activity waits for its entry: longer, and Temporal would take it for dead and try it for ever."""

log = structlog.get_logger(__name__)


@dataclass
class _Waiting:
    """One entry on its way to the disk."""

    entry: Entry
    done: bool = False
    error: FirebreakError | None = field(default_factory=lambda: Unavailable("the append was interrupted"))


class Audit:
    """Appends for one instance of one agent."""

    def __init__(self, bus: Bus, signer: Signer, cluster: ClusterRef, instance: str) -> None:
        """Append through this connection, signed with this key."""
        agent = signer.agent
        self._subject = audit_subject(agent)
        self._chain = Chain(bus, signer, cluster, instance, audit_stream(agent))
        self._turn = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._told: OrderedDict[str, None] = OrderedDict()
        self._later: list[Entry] = []
        self._catching_up: asyncio.Task[None] | None = None
        self._noting: set[asyncio.Task[None]] = set()

    async def append(self, kind: Kind, body: dict[str, Any], once: str = "") -> None:
        """Return when this is durable. What has the same `once` within one process is told once.

        Raises:
            Unavailable: it may or may not be.
            BadInput: it is too large.
        """
        entry = _entry(kind, body, once)
        if entry.id not in self._told:
            await self._append(entry)

    async def note(self, kind: Kind, body: dict[str, Any], once: str = "") -> None:
        """Append, and never fail: what NATS does not take now is appended once it does, as long as we live.

        Nobody waits longer than `PATIENCE_SECONDS`: a record that is full or away must not stop the work.
        """
        entry = _entry(kind, body, once)
        if entry.id in self._told:
            return
        noting = asyncio.create_task(self._note(entry))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)
        await asyncio.wait({noting}, timeout=PATIENCE_SECONDS)

    async def _note(self, entry: Entry) -> None:
        try:
            await self._append(entry)
        except FirebreakError as error:
            log.error("an entry of the audit record waits", kind=entry.kind, id=entry.id, error=str(error))
            self._keep(entry)

    def later(self, kind: Kind, body: dict[str, Any], once: str = "") -> None:
        """Append beside what goes on, where nobody can wait for the disk; see `note`."""
        entry = _entry(kind, body, once)
        if entry.id not in self._told:
            self._keep(entry)

    async def finish(self) -> None:
        """Append what waits, once, before the agent ends."""
        await asyncio.gather(*self._noting)
        if self._catching_up:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)
        with suppress(FirebreakError):
            await self._append_kept()
        if self._later:
            log.error("entries of the audit record are lost", entries=[one.id for one in self._later])

    def _keep(self, entry: Entry) -> None:
        if len(self._later) >= BACKLOG:
            log.error("an entry of the audit record is lost: too many wait", kind=entry.kind, id=entry.id)
            return
        self._later.append(entry)
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        while self._later:
            try:
                await self._append_kept()
            except FirebreakError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _append_kept(self) -> None:
        while self._later:
            first = self._later[0]
            await self._append(first)
            self._later.remove(first)

    async def _append(self, entry: Entry) -> None:
        mine = _Waiting(entry)
        self._waiting.append(mine)
        async with self._turn:
            while not mine.done:
                await self._flush(self._waiting[:TOGETHER])
        if mine.error is not None:
            raise mine.error

    async def _flush(self, together: Sequence[_Waiting]) -> None:
        """Append what waits, whoever brought it, and tell everybody what came of it."""
        del self._waiting[: len(together)]
        body = {"entries": [waiting.entry.model_dump(mode="json") for waiting in together]}
        error: FirebreakError | None = Unavailable("the append was interrupted")
        try:
            await self._chain.append(self._subject, together[0].entry.id, body, uuid4().hex)
            error = None
            self._remember([waiting.entry.id for waiting in together])
        except FirebreakError as failed:
            error = failed
        finally:
            for waiting in together:
                waiting.done, waiting.error = True, error

    def _remember(self, ids: Sequence[str]) -> None:
        self._told.update(dict.fromkeys(ids))
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


def _entry(kind: Kind, body: dict[str, Any], once: str) -> Entry:
    return Entry(id=once or uuid4().hex, kind=kind, at=datetime.now(UTC), body=body)
