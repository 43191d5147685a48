"""Every way to reach people, put together for the liaison: its channels, their desks, dead letters and tests."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import structlog
from pydantic import BaseModel, ValidationError

import activities.notifiers
from activities.governed import GovernedChannel
from activities.notifier import Channel, Desk, Drawer, Notifier, connect_all, missing
from activities.reporting.page import render
from signals.catalog import load
from signals.channels import ChannelOptions
from signals.errors import FirebreakError, NotFound, Unavailable
from signals.pages import Page, PageKind
from signals.report import report
from signals.subjects import LIAISON, feed_stream, feed_subject, state_bucket
from signals.telling import ChannelState, Question
from signals.threats import Severity
from workers.agent import Context
from workers.cli.ledger import Ledger
from workers.settings import PREFIX

PAGES = "pages"
"""Feed of pages that an operator put back from the dead letters."""
WAKE_SECONDS = 60.0
AGAIN_SECONDS = 30.0
"""How long a page that was put back waits while its channel does not answer."""
TEST_SECONDS = 12.0

log = structlog.get_logger(__name__)


class Returned(BaseModel, frozen=True):
    """A page that one channel refused, as it stands among the dead letters."""

    channel: str
    page: Page


class Telling:
    """The channels of one liaison."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        """Open every channel whose settings are given.

        Raises:
            SettingsInvalid: a setting, or a file that it names, cannot work.
        """
        self._context = context
        self._ledger = ledger
        self._notifiers = load(activities.notifiers, Notifier)
        self._governed: dict[str, GovernedChannel] = {}
        settings = context.settings.model_dump()
        opened = connect_all(self._notifiers.values(), settings, self._desk)
        self.channels: dict[str, Channel] = {
            name: self._govern(name, channel) for name, channel in opened.items()
        }

    def _desk(self, name: str) -> Desk:
        return Desk(memory=self._drawer(f"channel/{name}/own"), report=self._report)

    def _drawer(self, prefix: str) -> Drawer:
        return Drawer(self._context.bus.kv(state_bucket(LIAISON)), prefix)

    def _options(self, name: str) -> ChannelOptions | None:
        """Return what a channel is told: as the policy says, over its own defaults; None for everything."""
        said = self._context.policy.channels.get(name)
        own = self._notifiers[name].options if name in self._notifiers else None
        if said is None:
            return own
        return said.over(own or ChannelOptions())

    def _govern(self, name: str, channel: Channel) -> Channel:
        options = self._options(name)
        if options is None:
            return channel
        governed = GovernedChannel(name, channel, options, self._drawer(f"channel/{name}"), self._bury)
        self._governed[name] = governed
        return governed

    async def _report(self, incident: str) -> bytes | None:
        try:
            found = await self._ledger.find(incident, seconds=0)
        except FirebreakError as error:
            log.warning("a report cannot be had", incident=incident, error=str(error))
            return None
        return render(report(found.incident, datetime.now(UTC))).encode() if found.whole else None

    async def _bury(self, name: str, page: Page, reason: str) -> None:
        returned = Returned(channel=name, page=page)
        subject = feed_subject(LIAISON, PAGES)
        said = f"channel {name}: {reason}"
        await self._context.bus.bury(PAGES, returned.model_dump_json().encode(), said, came_on=subject)

    async def run(self) -> None:
        """Send what was held back in quiet hours, and what was put back, until cancelled."""
        await asyncio.gather(self._wake(), self._take_back())

    async def _wake(self) -> None:
        while True:
            await asyncio.sleep(WAKE_SECONDS)
            for name, channel in self._governed.items():
                try:
                    await channel.wake()
                except Unavailable as error:
                    log.warning("what was held back waits", channel=name, error=str(error))

    async def _take_back(self) -> None:
        """Deliver dead letters that an operator put back; one that is refused again is buried again."""
        async for messages in self._context.bus.consume(feed_stream(LIAISON), LIAISON):
            for message in messages:
                try:
                    await self._again(message.data)
                except Unavailable as error:
                    log.warning("a page that was put back waits", error=str(error))
                    await message.nak(AGAIN_SECONDS)
                else:
                    await message.ack()

    async def _again(self, payload: bytes) -> None:
        try:
            returned = Returned.model_validate_json(payload)
        except ValidationError as error:
            log.error("something that is no page was put back", error=str(error))
            return
        channel = self._governed.get(returned.channel)
        if channel is None:
            log.error("a page was put back for a channel that is off", channel=returned.channel)
        else:
            await channel.deliver(returned.page)

    async def answer(self, payload: bytes) -> bytes:
        """Answer an operator: how every channel stands, after a harmless page to the one that is named.

        Raises:
            NotFound: there is no open channel of this name.
        """
        question = Question.model_validate_json(payload)
        states = self._states()
        if question.test:
            states = (await self._tested(question.test, states),)
        return msgspec.json.encode([state.model_dump(mode="json") for state in states])

    def _states(self) -> tuple[ChannelState, ...]:
        settings = self._context.settings.model_dump()
        return tuple(
            ChannelState(
                name=name,
                open=name in self.channels,
                options=str(self._options(name) or "everything"),
                missing=tuple(PREFIX + one.upper() for one in self._missing(name, settings)),
            )
            for name in sorted({*self._notifiers, *self.channels})
        )

    def _missing(self, name: str, settings: Mapping[str, object]) -> tuple[str, ...]:
        return missing(self._notifiers[name], settings) if name in self._notifiers else ()

    async def _tested(self, name: str, states: tuple[ChannelState, ...]) -> ChannelState:
        state = next((one for one in states if one.name == name), None)
        channel = self.channels.get(name)
        if state is None or channel is None:
            why = f"it needs {', '.join(state.missing)}" if state else "there is no notifier of this name"
            raise NotFound(f"channel {name} is not open: {why}")
        governed = self._governed.get(name)
        for page in _harmless(self._context):
            try:
                async with asyncio.timeout(TEST_SECONDS):
                    await (governed.attempt(page) if governed else channel.send(page))
            except (FirebreakError, TimeoutError) as error:
                return state.model_copy(
                    update={"delivered": False, "said": str(error) or "no answer in time"}
                )
        return state.model_copy(update={"delivered": True, "said": "it took the page, and its end"})


def _harmless(context: Context) -> tuple[Page, ...]:
    """Return a page that nobody has to act on, and the one that ends it."""
    now = datetime.now(UTC)
    told = Page(
        incident=f"test-{now:%Y%m%d%H%M%S}",
        cluster=context.cluster.ref,
        kind=PageKind.INFORMATIONAL,
        severity=Severity.INFO,
        title="TEST of Firebreak: nothing happened, nobody has to do anything",
        text="Somebody said `firebreak notify test`.",
        dedup_key=f"test/{now.isoformat()}",
        at=now,
    )
    end = {"kind": PageKind.CLOSED, "dedup_key": f"{told.dedup_key}/end"}
    return told, told.model_copy(update=end)
