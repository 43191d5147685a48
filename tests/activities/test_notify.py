"""People are told once, on every channel that works."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from temporalio.testing import ActivityEnvironment

import activities.notifiers
from activities.notifier import Desk, Notifier, connect_all
from activities.notifiers.journal import JournalChannel
from activities.notify import Notifying
from signals.catalog import load
from signals.entities import ClusterRef
from signals.errors import Refused, Unavailable
from signals.pages import Page, PageKind
from signals.threats import Severity
from tests.workflows.world import Bucket
from workers.settings import Settings

NOTIFIERS = load(activities.notifiers, Notifier)


def page(key: str = "shop-web-0-1/page/1", **changes: object) -> Page:
    """Return a page about one incident."""
    fields: dict[str, object] = {
        "incident": "shop-web-0-1",
        "cluster": ClusterRef(name="test", uid="5e1f"),
        "kind": PageKind.PAGE,
        "severity": Severity.HIGH,
        "title": "Reverse shell in web-0",
        "dedup_key": key,
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Page.model_validate({**fields, **changes})


class Channel:
    """A way to reach people that fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[Page] = []

    async def send(self, page: Page) -> None:
        """Fail, or keep the page."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(page)


class Slow(Channel):
    """A way to reach people that takes a moment."""

    async def send(self, page: Page) -> None:
        """Keep the page, after others had their turn."""
        await asyncio.sleep(0.01)
        await super().send(page)


async def test_many_that_tell_the_same_at_the_same_time_tell_it_once() -> None:
    channel = Slow()
    notifying = Notifying({"slow": channel})
    told = await asyncio.gather(*(tell(notifying, page("group", incident=f"i-{n}")) for n in range(50)))
    assert told == [("slow",)] * 50
    assert len(channel.sent) == 1


async def test_many_that_meet_a_broken_channel_together_try_it_once_and_again_later() -> None:
    channel = Slow(Unavailable("down"))
    notifying = Notifying({"slow": channel})
    first = await asyncio.gather(*(tell(notifying, page("group")) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in first)
    assert await tell(notifying, page("group")) == ("slow",)


async def tell(notifying: Notifying, page: Page) -> tuple[str, ...]:
    """Run the activity as Temporal would."""
    return await ActivityEnvironment().run(notifying.tell_people, page)


def desk(name: str) -> Desk:
    """Return the desk of a channel, on which nothing lies."""

    async def report(incident: str) -> bytes | None:
        return None

    return Desk(memory=Bucket(), report=report)


def journal(path: Path) -> list[str]:
    """Return the keys in a journal."""
    return [json.loads(line)["dedup_key"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("notifier", NOTIFIERS.values(), ids=NOTIFIERS)
def test_a_notifier_needs_only_settings_that_exist(notifier: Notifier) -> None:
    assert {*notifier.needs, *notifier.uses} <= set(Settings.model_fields)


def test_a_channel_without_its_settings_is_off(tmp_path: Path) -> None:
    assert set(connect_all(NOTIFIERS.values(), Settings().model_dump(), desk)) == {"log"}
    given = Settings(pages_file=tmp_path / "pages.jsonl").model_dump()
    assert set(connect_all(NOTIFIERS.values(), given, desk)) == {"log", "journal"}


async def test_a_page_reaches_every_channel() -> None:
    one, two = Channel(), Channel()
    assert await tell(Notifying({"one": one, "two": two}), page()) == ("one", "two")
    assert one.sent == two.sent == [page()]


async def test_a_silent_channel_stops_no_other_and_only_it_is_tried_again() -> None:
    silent, fine = Channel(Unavailable("no answer"), OSError("reset")), Channel()
    notifying = Notifying({"silent": silent, "fine": fine})
    with pytest.raises(Unavailable, match="silent: no answer"):
        await tell(notifying, page())
    assert len(fine.sent) == 1
    with pytest.raises(Unavailable, match="silent: reset"):
        await tell(notifying, page())
    assert await tell(notifying, page()) == ("silent", "fine")
    assert len(silent.sent) == len(fine.sent) == 1


async def test_a_channel_that_refuses_is_logged_and_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = await tell(Notifying({"bad": Channel(Refused("invalid token")), "fine": Channel()}), page())
    assert told == ("fine",)
    assert "channel bad refused page shop-web-0-1/page/1: invalid token" in caplog.text


async def test_the_same_page_twice_is_one_message() -> None:
    channel = Channel()
    notifying = Notifying({"one": channel})
    assert [await tell(notifying, page()) for _ in range(3)] == [("one",)] * 3
    assert len(channel.sent) == 1


async def test_a_page_links_to_its_incident() -> None:
    channel = Channel()
    await tell(Notifying({"one": channel}, "http://ui/namespaces/default/workflows"), page(incident="a/b"))
    assert channel.sent[0].links == {"Incident": "http://ui/namespaces/default/workflows/a%2Fb"}


async def test_the_journal_keeps_each_key_once_whoever_writes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pages.jsonl"
    first, second = JournalChannel(path), JournalChannel(path)
    await asyncio.gather(*(one.send(page(key)) for one in (first, second) for key in ("a", "b", "c")))
    await JournalChannel(path).send(page("a"))
    assert sorted(journal(path)) == ["a", "b", "c"]


async def test_the_journal_holds_the_whole_page_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    await JournalChannel(path).send(page(facts={"peer": "203.0.113.9"}))
    assert Page.model_validate_json(path.read_text()) == page(facts={"peer": "203.0.113.9"})
    assert path.stat().st_mode & 0o077 == 0


async def test_a_line_that_a_killed_writer_left_half_done_costs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    channel = JournalChannel(path)
    await channel.send(page("a"))
    with path.open("a") as file:
        file.write('{"dedup_key": "b", "inc')
    await channel.send(page("b"))
    await JournalChannel(path).send(page("b"))
    lines = path.read_text().splitlines()
    assert [json.loads(lines[0])["dedup_key"], json.loads(lines[2])["dedup_key"]] == ["a", "b"]
    assert len(lines) == 3


async def test_a_journal_that_was_emptied_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    channel = JournalChannel(path)
    await channel.send(page("a"))
    path.write_text("")
    await channel.send(page("a"))
    assert journal(path) == ["a"]


async def test_a_journal_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "pages.jsonl").mkdir()
    with pytest.raises(Unavailable, match="cannot write pages"):
        await JournalChannel(tmp_path / "pages.jsonl").send(page())


async def test_the_log_shows_no_control_character() -> None:
    with structlog.testing.capture_logs() as lines:
        await tell(
            Notifying(connect_all([NOTIFIERS["log"]], {}, desk)),
            page(title="evil\x1b[2J", text="a\u202eb", facts={"command": "x\ry"}),
        )
    assert lines[0]["title"] == "evil␛[2J"
    assert lines[0]["text"] == "a<U+202E>b"
    assert lines[0]["facts"] == {"command": "x␍y"}
