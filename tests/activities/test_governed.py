"""What a channel is told, and when; and that it is told once, over restarts."""

from datetime import UTC, datetime, time

import pytest

from activities.governed import GovernedChannel
from signals.channels import ChannelOptions, QuietHours
from signals.errors import Refused, Unavailable
from signals.pages import Page, PageKind
from signals.threats import Severity
from tests.activities.test_notify import Channel, page
from tests.workflows.world import Bucket

NIGHT, MORNING = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2, 8, tzinfo=UTC)
QUIET = ChannelOptions(quiet=(QuietHours(timezone="UTC", since=time(22), until=time(7)),))


class Place:
    """A channel, its memory and its dead letters."""

    def __init__(self, options: ChannelOptions, *failures: Exception, at: datetime = MORNING) -> None:
        self.at = at
        self.options = options
        self.channel = Channel(*failures)
        self.memory = Bucket()
        self.dead: list[tuple[str, Page, str]] = []

    async def bury(self, name: str, page: Page, reason: str) -> None:
        self.dead.append((name, page, reason))

    @property
    def governed(self) -> GovernedChannel:
        """The channel as a new process has it."""
        return GovernedChannel("one", self.channel, self.options, self.memory, self.bury, lambda: self.at)


async def test_a_page_is_told_once_over_restarts() -> None:
    place = Place(ChannelOptions(), Unavailable("down"))
    with pytest.raises(Unavailable):
        await place.governed.send(page())
    for _ in range(2):
        await place.governed.send(page())
    assert place.channel.sent == [page()]


async def test_what_is_refused_is_a_dead_letter_once() -> None:
    place = Place(ChannelOptions(), Refused("no such project"))
    for _ in range(2):
        with pytest.raises(Refused, match="no such project"):
            await place.governed.send(page())
    assert place.dead == [("one", page(), "no such project")]
    assert await place.governed.deliver(page()) == ""
    assert place.channel.sent == [page()]


async def test_what_is_too_mild_or_elsewhere_or_of_another_kind_begins_nothing() -> None:
    options = ChannelOptions(minimum=Severity.HIGH, kinds=(PageKind.PAGE,), namespaces=("shop*",))
    place = Place(options)
    await place.governed.send(page("a", severity=Severity.LOW))
    await place.governed.send(page("b", kind=PageKind.DRIFT))
    await place.governed.send(page("c", namespace="bank"))
    assert place.channel.sent == []
    wanted = page("d", namespace="shop-eu")
    await place.governed.send(wanted)
    assert place.channel.sent == [wanted]


async def test_what_follows_reaches_a_channel_that_knows_the_incident() -> None:
    place = Place(ChannelOptions(minimum=Severity.HIGH, kinds=(PageKind.PAGE,)))
    end = page("end", kind=PageKind.CLOSED, severity=Severity.INFO)
    await place.governed.send(end)
    assert place.channel.sent == []
    await place.governed.send(page())
    await place.governed.send(end)
    assert [one.kind for one in place.channel.sent] == [PageKind.PAGE, PageKind.CLOSED]


async def test_quiet_hours_hold_back_all_but_critical_pages_and_end_in_one_summary() -> None:
    place = Place(QUIET, at=NIGHT)
    critical = page("c", severity=Severity.CRITICAL)
    for told in (page("a"), page("b"), critical):
        await place.governed.send(told)
    assert place.channel.sent == [critical]
    await place.governed.wake()
    assert place.channel.sent == [critical]
    place.at = MORNING
    for _ in range(2):
        await place.governed.wake()
    assert len(place.channel.sent) == 2
    assert place.channel.sent[1].title == "Held back in quiet hours: 2"
    await place.governed.send(page("a"))
    assert len(place.channel.sent) == 2


async def test_what_belongs_to_an_incident_that_it_knows_is_told_in_quiet_hours_too() -> None:
    place = Place(QUIET, at=MORNING)
    await place.governed.send(page())
    place.at = NIGHT
    await place.governed.send(page("end", kind=PageKind.CLOSED, severity=Severity.INFO))
    assert [one.kind for one in place.channel.sent] == [PageKind.PAGE, PageKind.CLOSED]


async def test_a_summary_that_could_not_be_sent_is_sent_later() -> None:
    place = Place(QUIET, Unavailable("down"), at=NIGHT)
    await place.governed.send(page())
    place.at = MORNING
    with pytest.raises(Unavailable):
        await place.governed.wake()
    await place.governed.wake()
    assert len(place.channel.sent) == 1
