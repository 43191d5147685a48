"""Tells people, on every channel that is open, each page once."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from urllib.parse import quote

from temporalio import activity

from activities import metrics
from activities.notifier import Channel
from signals.errors import FirebreakError, Unavailable
from signals.filters import WAITING, filters
from signals.pages import AUDIT_FACT, Page, PageKind
from signals.redaction import redact

REMEMBERED = 10_000
"""Deliveries kept in memory, so that a retry does not tell the same channel again."""

_log = logging.getLogger(__name__)


class Notifying:
    """Reaches people as the liaison does."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        incidents_url: str | None = None,
        anchored: Callable[[], str] = lambda: "",
    ) -> None:
        """Take open channels by name, and the address under which a browser finds an incident by its id.

        `anchored` says where the audit record stands: what people were sent, nobody can take back.
        """
        self._anchored = anchored
        self._channels = channels
        self._incidents_url = incidents_url
        self._told: dict[tuple[str, str], None] = {}
        self._sending: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        """Many incidents tell of one limit at the same time: one of them does it, the others wait for it."""

    @activity.defn
    async def tell_people(self, page: Page) -> tuple[str, ...]:
        """Return the channels that have this page now; a broken one never stops the others.

        A channel that refuses is logged and left out. A channel that was told is not told again.

        Raises:
            Unavailable: a channel did not answer; called again, only that one is tried.
        """
        sending = self._sending.get(page.dedup_key)
        if sending is None:
            sending = asyncio.create_task(self._tell(_redacted(self._linked(self._sealed(page)))))
            self._sending[page.dedup_key] = sending
            sending.add_done_callback(lambda _: self._sending.pop(page.dedup_key, None))
        return await asyncio.shield(sending)

    async def _tell(self, page: Page) -> tuple[str, ...]:
        open_ = [name for name in self._channels if (name, page.dedup_key) not in self._told]
        outcomes = await asyncio.gather(*(self._send(name, page) for name in open_), return_exceptions=True)
        silent: list[str] = []
        for name, outcome in zip(open_, outcomes, strict=True):
            if outcome is None:
                self._remember(name, page)
            elif not isinstance(outcome, Exception):
                raise outcome
            elif isinstance(outcome, FirebreakError) and not isinstance(outcome, Unavailable):
                _log.error("channel %s refused page %s: %s", name, page.dedup_key, outcome)
            else:
                silent.append(f"{name}: {str(outcome) or type(outcome).__name__}")
        if silent:
            raise Unavailable(f"not everybody was told: {'; '.join(silent)}")
        return tuple(name for name in self._channels if (name, page.dedup_key) in self._told)

    async def _send(self, name: str, page: Page) -> None:
        try:
            await self._channels[name].send(page)
        except FirebreakError as error:
            metrics.page(name, "unavailable" if isinstance(error, Unavailable) else "refused")
            raise
        metrics.page(name, "delivered")

    def _remember(self, name: str, page: Page) -> None:
        self._told[name, page.dedup_key] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    def _sealed(self, page: Page) -> Page:
        anchored = self._anchored()
        return page.model_copy(update={"facts": {**page.facts, AUDIT_FACT: anchored}}) if anchored else page

    def _linked(self, page: Page) -> Page:
        if not (self._incidents_url and page.incident):
            return page
        link = {"Incident": f"{self._incidents_url}/{quote(page.incident, safe='')}"}
        if page.kind is PageKind.APPROVAL:
            link["All that waits"] = filters(self._incidents_url)[WAITING]
        return page.model_copy(update={"links": {**page.links, **link}})


def _redacted(page: Page) -> Page:
    """Return the page as it may leave: no secret that an attacker's text has carried this far goes further."""
    facts = {name: redact(value) for name, value in page.facts.items()}
    return page.model_copy(update={"title": redact(page.title), "text": redact(page.text), "facts": facts})
