"""One ticket an incident, whatever keeps the tickets: found before it is made, with the report, and what follows.

The ticket is on record at once; what is missing of it, such as its attachment, is made up for by the next attempt.
"""

import hashlib
from contextlib import suppress
from typing import Protocol

from pydantic import BaseModel

from activities.notifier import Desk
from signals.display import literal
from signals.errors import Conflict, Refused
from signals.pages import Page, PageKind

TITLE = 240
_TEXT = 4000


class Tracker(Protocol):
    """What keeps tickets. Methods raise `Unavailable` and `Refused` as `Outbound.call`."""

    async def find(self, case: str) -> str | None:
        """Return the ticket that bears this mark, or None."""

    async def create(self, case: str, title: str, lines: tuple[str, ...], page: Page) -> str:
        """Make the ticket and return what it is known by."""

    async def attach(self, ticket: str, name: str, content: bytes) -> None:
        """Put a file on it."""

    async def comment(self, ticket: str, lines: tuple[str, ...], mark: str) -> None:
        """Write on it what happened since, once; `mark` is the last line, and tells whether it is there."""

    async def close(self, ticket: str) -> None:
        """Close it, where that is set up."""


class Held(BaseModel, frozen=True):
    """What is known of an incident's ticket."""

    ticket: str
    begun_with: str
    """The page with which it was made."""
    attached: bool = False


class TicketChannel:
    """Pages as tickets."""

    def __init__(self, tracker: Tracker, desk: Desk) -> None:
        """Keep tickets there."""
        self._tracker = tracker
        self._desk = desk

    async def send(self, page: Page) -> None:
        """Make the incident's ticket, or write on it.

        Raises:
            Unavailable: not all of it is done; the same call goes on where it was.
            Refused: nothing of it will work later either.
        """
        if not page.incident:
            return  # what belongs to no incident is no ticket
        held = await self._ticket(page)
        if not held.attached:
            held = await self._attach(page, held)
        if page.dedup_key != held.begun_with:
            await self._tracker.comment(held.ticket, _lines(page), f"firebreak {_short(page.dedup_key)}")
        if page.kind is PageKind.CLOSED:
            await self._tracker.close(held.ticket)

    async def _ticket(self, page: Page) -> Held:
        known = await self._desk.memory.get(_key(page))
        if known is not None:
            return Held.model_validate_json(known.value)
        case = f"firebreak-{_short(f'{page.cluster.uid}/{page.incident}')}"
        ticket = await self._tracker.find(case)
        if ticket is None:
            ticket = await self._tracker.create(case, literal(page.title, TITLE), _lines(page), page)
        held = Held(ticket=ticket, begun_with=page.dedup_key)
        with suppress(Conflict):
            await self._desk.memory.create(_key(page), held.model_dump_json().encode())
        return held

    async def _attach(self, page: Page, held: Held) -> Held:
        """Attach the report; a tracker that will not have it does not cost the ticket."""
        report = await self._desk.report(page.incident)
        if report is None:
            return held
        try:
            await self._tracker.attach(held.ticket, f"{page.incident}.html", report)
        except Refused as error:
            why = (
                f"The report could not be attached: {error}",
                f"Write it with: firebreak report {page.incident}",
            )
            await self._tracker.comment(held.ticket, why, f"firebreak {_short(f'attach/{page.incident}')}")
        done = held.model_copy(update={"attached": True})
        entry = await self._desk.memory.get(_key(page))
        if entry is not None:
            with suppress(Conflict):
                await self._desk.memory.update(_key(page), done.model_dump_json().encode(), entry.revision)
        return done


def _key(page: Page) -> str:
    return f"ticket/{page.incident}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lines(page: Page) -> tuple[str, ...]:
    """Return a page as lines of plain text."""
    head = f"{page.kind} · {page.severity} · {page.at:%Y-%m-%d %H:%M:%S} UTC · incident {page.incident}"
    text = (literal(page.text, _TEXT),) if page.text else ()
    facts = (f"{name}: {literal(value, _TEXT)}" for name, value in page.facts.items() if value)
    links = (f"{name}: {href}" for name, href in page.links.items())
    return (head, *text, *facts, *links)
