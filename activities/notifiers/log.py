"""Write pages into the agent's own log."""

import structlog

from activities.notifier import Channel, Desk, Given, Notifier
from signals.display import terminal
from signals.pages import Page

_TEXT = 2000
"""Characters of a page's text that one log line holds."""


class LogChannel:
    """Logs each page as one line, harmless on a terminal too."""

    def __init__(self) -> None:
        """Log under this module's name."""
        self._log = structlog.get_logger(__name__)

    async def tell_owners(self, page: Page, room: str) -> None:
        """As `send`; who reads this reads all of it."""
        await self.send(page)

    async def send(self, page: Page) -> None:
        """Log the page."""
        await self._log.ainfo(
            "page",
            incident=page.incident,
            cluster=terminal(page.cluster.name),
            kind=page.kind.value,
            severity=page.severity.value,
            title=terminal(page.title),
            text=terminal(page.text, _TEXT),
            facts={name: terminal(value) for name, value in page.facts.items()},
        )


def connect(given: Given, desk: Desk) -> Channel:
    """Return the log; it needs nothing."""
    return LogChannel()


NOTIFIER = Notifier(name="log", reaches="whoever reads the liaison's log", needs=(), connect=connect)
