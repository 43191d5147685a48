"""Looks after the room that servers have: tells people when it gets short, and lets NATS go on when it is back."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

import activities.notifiers
from activities.adapters.memory_bucket import MemoryBucket
from activities.notifier import Desk, Notifier, connect_all
from signals.catalog import load
from signals.entities import ClusterRef
from signals.errors import FirebreakError
from signals.pages import Page, PageKind
from signals.threats import Severity
from workers.settings import Settings
from workers.stack import nats
from workers.stack.layout import Layout
from workers.stack.room import Room
from workers.stack.space import begun, room
from workers.stack.supervisor import Supervisor

PAUSE_SECONDS = 5.0
ABOUT = "room"
"""What the pages are about in the place of an incident."""
log = logging.getLogger(__name__)


async def _no_report(incident: str) -> None:
    """Know of no incident: this is about servers."""


class Watch:
    """One stack's room."""

    def __init__(self, layout: Layout, supervisor: Supervisor, told: Settings) -> None:
        """Watch over these servers; people are reached as by a liaison that is told the same."""
        self._layout = layout
        self._supervisor = supervisor
        self._cluster = ClusterRef(name=told.cluster_name, uid=told.cluster_uid or "")
        notifiers = load(activities.notifiers, Notifier).values()
        self._channels = connect_all(
            notifiers, told.model_dump(), lambda _: Desk(memory=MemoryBucket(), report=_no_report)
        )
        self._known: Mapping[str, str] = {}
        self._untold: dict[str, Page] = {}

    async def run(self) -> None:
        """Look from time to time, for ever."""
        while True:
            found = await asyncio.to_thread(room, self._layout)
            await self._look(found)
            await self._let_go_on(found)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self, found: Room) -> None:
        troubles = found.troubles
        for about, text in begun(troubles, self._known).items():
            log.error("%s", text)
            self._untold[about] = self._page(about, text)
        for about in self._known.keys() - troubles.keys():
            log.warning("there is room again: %s", about)
        self._known = troubles
        for about, page in list(self._untold.items()):
            if await self._told(page):
                del self._untold[about]

    async def _told(self, page: Page) -> bool:
        """Tell people on every channel; False if one is to be tried again."""
        answered = True
        for name, channel in self._channels.items():
            try:
                await channel.send(page)
            except (FirebreakError, OSError) as error:
                log.warning("nobody was told through %s yet: %s", name, error)
                answered = False
        return answered

    def _page(self, about: str, text: str) -> Page:
        now = datetime.now(UTC)
        key = hashlib.sha256(f"{about} {now.isoformat()}".encode()).hexdigest()[:16]
        return Page(
            incident=f"{ABOUT}/{about}",
            cluster=self._cluster,
            kind=PageKind.PAGE,
            severity=Severity.CRITICAL,
            title=f"Firebreak is short of room: {about}",
            text=text,
            dedup_key=f"{ABOUT}/{about}/{key}",
            at=now,
        )

    async def _let_go_on(self, found: Room) -> None:
        """Restart a NATS that could not write and now has room: a stream that failed once refuses until then."""
        store = next((one for one in found.stores if one.server == "nats"), None)
        if store is None or store.out or not await asyncio.to_thread(nats.write_failed, self._layout):
            return
        log.warning("nats could not write and has room again: it is restarted")
        self._supervisor.start_again("nats")
