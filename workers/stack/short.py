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
from signals.errors import FirebreakError, Unavailable
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
        """Watch over these servers; people are reached by the liaison's channels, whatever their options."""
        self._layout = layout
        self._supervisor = supervisor
        self._cluster = ClusterRef(name=told.cluster_name, uid=told.cluster_uid or "")
        notifiers = load(activities.notifiers, Notifier).values()
        self._channels = connect_all(
            notifiers, told.model_dump(), lambda _: Desk(memory=MemoryBucket(), report=_no_report)
        )
        self._known: Mapping[str, str] = {}
        self._untold: dict[tuple[str, str], Page] = {}
        """By channel and what it is about: each is told once, whatever the others answer."""

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
            page = self._page(about, text)
            self._untold |= {(channel, about): page for channel in self._channels}
        for about in self._known.keys() - troubles.keys():
            log.warning("there is room again: %s", about)
        self._known = troubles
        for (channel, about), page in list(self._untold.items()):
            if await self._told(channel, page):
                del self._untold[channel, about]

    async def _told(self, channel: str, page: Page) -> bool:
        """Tell people on one channel; False if it is to be tried again."""
        try:
            await self._channels[channel].send(page)
        except (Unavailable, OSError) as error:
            log.warning("nobody was told through %s yet: %s", channel, error)
            return False
        except FirebreakError as error:
            log.error("%s refuses to tell anybody: %s", channel, error)
        return True

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
