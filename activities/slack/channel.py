"""Slack as a way to tell people: into which channel, and that a page counts once Slack has it."""

import asyncio
from collections.abc import Mapping

from activities.slack.outbox import Outbox
from signals.errors import SettingsInvalid, Unavailable
from signals.pages import Page

SENT_SECONDS = 10.0
"""How long Slack may take to have a page before it counts as not told; it is sent all the same."""


class Rooms:
    """Which channel of Slack's a page belongs into."""

    def __init__(self, default: str, routes: str = "") -> None:
        """Take the channel of everything else, and routes as `namespace/shop=C1,severity/critical=C2`.

        Raises:
            SettingsInvalid: a route cannot be read.
        """
        self._default = default
        self._routes = _read(routes)

    def room(self, page: Page, namespace: str) -> str:
        """Return the channel of a page: by namespace, else by severity, else the default."""
        for key in (f"namespace/{namespace}", f"severity/{page.severity}"):
            if key in self._routes:
                return self._routes[key]
        return self._default


def _read(routes: str) -> Mapping[str, str]:
    read: dict[str, str] = {}
    for route in filter(None, (part.strip() for part in routes.split(","))):
        key, _, channel = route.partition("=")
        if not channel or key.split("/")[0] not in ("namespace", "severity"):
            raise SettingsInvalid(
                f"FIREBREAK_SLACK_ROUTES: “{route}” is not namespace/NAME=CHANNEL or severity/LEVEL=CHANNEL"
            )
        read[key.strip()] = channel.strip()
    return read


class SlackChannel:
    """Hands pages to the outbox, which keeps them until Slack has them."""

    def __init__(self, outbox: Outbox, rooms: Rooms) -> None:
        """Hand them to this outbox."""
        self._outbox = outbox
        self._rooms = rooms

    async def send(self, page: Page) -> None:
        """Tell people, once.

        Raises:
            Unavailable: Slack does not have it yet. It gets it as soon as it can, as part of one message.
            Refused: Slack does not take it.
        """
        await self._hand(page, self._rooms.room(page, _namespace(page)))

    async def _hand(self, page: Page, room: str) -> None:
        name = await self._outbox.take(page, room)
        try:
            async with asyncio.timeout(SENT_SECONDS):
                await self._outbox.sent(name)
        except TimeoutError as error:
            raise Unavailable("Slack does not have it yet; it is kept and sent") from error

    async def tell_owners(self, page: Page, room: str) -> None:
        """As `send`, in a room of theirs: a message of its own, without buttons."""
        await self._hand(page.model_copy(update={"incident": ""}), room)


def _namespace(page: Page) -> str:
    """Return the namespace that the first entity of a page is in."""
    parts = page.facts.get("entities", "").split(", ")[0].split("/")
    return parts[1] if len(parts) == 3 else ""
