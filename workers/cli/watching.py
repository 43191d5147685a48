"""Follows incidents as they change: a live view in a terminal, plain lines in a pipe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from signals.incidents import Incident, Summary
from workers.cli import rows, story
from workers.cli.ledger import Ledger
from workers.cli.screen import Screen, harmless

PERIOD = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is followed: all incidents or one, and the state at which it ends (None: never)."""

    ledger: Ledger
    incident: str | None = None
    until: str | None = None

    async def plainly(self, say: Callable[[str], None]) -> None:
        """Say each change once, in one line."""
        told: set[str] = set()
        async for whole, summaries in self._looks():
            for line in (*_changes(summaries), *_moments(whole)):
                if line not in told:
                    told.add(line)
                    say(line)

    async def live(self, program: str) -> None:
        """Show how things stand, in place."""
        screen = Screen()
        with Live(console=screen.console, auto_refresh=False) as view:
            async for whole, summaries in self._looks():
                now = datetime.now(UTC)
                shown = _list(screen, summaries, now) if whole is None else _one(screen, whole, now, program)
                view.update(shown, refresh=True)

    async def _looks(self) -> AsyncIterator[tuple[Incident | None, tuple[Summary, ...]]]:
        while True:
            if self.incident is None:
                whole, summaries = None, await self.ledger.summaries()
            else:
                whole = (await self.ledger.find(self.incident)).incident
                summaries = (whole.summary,)
            yield whole, summaries
            if any(summary.state == self.until for summary in summaries):
                return
            await asyncio.sleep(PERIOD)


def _changes(summaries: tuple[Summary, ...]) -> list[str]:
    return [
        f"{summary.id}  {summary.state}  tier {summary.tier}  {summary.title}"
        + (f"  waits: {summary.waiting_for.kind}" if summary.waiting_for else "")
        for summary in reversed(summaries)
    ]


def _moments(incident: Incident | None) -> list[str]:
    if incident is None:
        return []
    return [f"{moment.at:%H:%M:%S} UTC  {moment.what}  {moment.detail}" for moment in incident.timeline]


def _list(screen: Screen, summaries: tuple[Summary, ...], now: datetime) -> RenderableType:
    room = max(1, screen.console.height - 4)
    foot = harmless(f"{story.totals(summaries)} · {now:%H:%M:%S} UTC · Ctrl-C ends", "dim")
    return Group(screen.grid(rows.INCIDENTS, rows.incidents(summaries[:room], now), rows.SPARE), foot)


def _one(screen: Screen, incident: Incident, now: datetime, program: str) -> RenderableType:
    head = [_one_row(line.text, line.style) for line in story.headline(incident.summary, now)]
    waits = [screen.line(line) for line in story.waits(incident.summary, now, program)]
    room = max(1, screen.console.height - len(head) - len(waits) - 6)
    moments = [_one_row(line) for line in _moments(incident)[-room:]]
    foot = harmless(f"{now:%H:%M:%S} UTC · Ctrl-C ends", "dim")
    return Group(*head, harmless(""), *moments, harmless(""), *waits, foot)


def _one_row(text: str, style: str = "") -> Text:
    """Return a line that takes one row, so that what is counted fits the screen."""
    line = harmless(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
