"""Messages reach Slack once, and nothing of them is lost."""

import asyncio
from datetime import timedelta

import pytest

from activities.slack.record import Record
from signals.errors import Refused, Unavailable
from signals.incidents import Incident, IncidentState, Moment
from signals.pages import PageKind
from signals.receipts import ActionState
from signals.threats import Severity
from tests.slack.fake import CHANNEL, OTHER_CHANNEL, FakeSlack, buttons, seen
from tests.slack.office import Office, office, page, until
from tests.slack.test_message import asking
from tests.workers.cli.sample import ID, NOW, incident
from tests.workflows.world import Bucket


def told(one: Incident, *lines: str) -> Incident:
    moments = tuple(Moment(at=NOW, what=line) for line in lines)
    return one.model_copy(update={"timeline": one.timeline + moments})


async def test_one_incident_is_one_message_that_changes_with_it() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        first = here.slack.one(ID)
        assert "Needs a decision" in seen(first)
        here.incidents[ID] = told(incident(), "contained")
        await here.channel.send(page("it is contained", "k-2"))
        assert here.slack.one(ID) is first
        assert "Contained" in seen(first)
        story = "\n".join(seen(reply) for reply in here.slack.thread(first))
        assert "it is contained" in story
        assert "contained" in story


async def test_the_same_page_again_says_nothing_again() -> None:
    async with office(asking()) as here:
        for _ in range(3):
            await here.channel.send(page())
        message = here.slack.one(ID)
        assert message["revisions"] == 0
        assert len(here.slack.thread(message)) == 1


async def test_what_is_new_and_needs_somebody_is_shown_in_the_channel_for_an_update_wakes_nobody() -> None:
    async with office(incident()) as here:
        await here.channel.send(page())
        await here.channel.send(page("for the record", "k-2", PageKind.INFORMATIONAL))
        await here.channel.send(page("it runs out", "k-3", PageKind.EXPIRY))
        loud = [reply["reply_broadcast"] for reply in here.slack.thread(here.slack.one(ID))]
        assert loud == [False, False, True]


@pytest.mark.parametrize("lost", ["first", "reply"])
async def test_an_answer_that_gets_lost_makes_no_second_message(lost: str) -> None:
    async with office(asking()) as here:
        if lost == "reply":
            await here.channel.send(page())
            here.incidents[ID] = told(here.incidents[ID], "something new")
        here.slack.loses.add("chat.postMessage")
        with pytest.raises(Unavailable):
            await here.channel.send(page("more", "k-2"))
        await here.outbox.sent(ID)
        message = here.slack.one(ID)
        texts = [seen(reply) for reply in here.slack.thread(message)]
        assert len(texts) == len(set(texts))
        assert sum("something new" in text for text in texts) == (lost == "reply")


async def test_a_process_that_died_between_the_message_and_its_record_finds_it_again() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        record = await here.records.find(ID)
        assert record
        await here.records.change(ID, lambda old: record.model_copy(update={"ts": "", "posting": True}))
        talk = {"channel": CHANNEL, "text": "people talk"}
        here.slack.messages[CHANNEL] += [{**talk, "ts": f"{float(record.ts) + n}"} for n in range(1, 500)]
        again = Office(here.slack, here.bucket, {ID: incident()})
        async with again.running():
            await again.outbox.sent(ID)
        assert here.slack.one(ID)["ts"] == record.ts
        assert "Contained" in seen(here.slack.one(ID))


async def test_an_hour_without_slack_ends_in_one_message_as_it_is_then() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.slack.down = True
        for number in range(40):
            here.incidents[ID] = told(here.incidents[ID], f"change {number}")
            await here.outbox.take(page(f"news {number}", f"n-{number}", PageKind.OUTCOME), CHANNEL)
        await until(lambda: sum(here.slept) > 3600)
        here.incidents[ID] = here.incidents[ID].model_copy(update={"summary": incident().summary})
        here.slack.down = False
        await here.outbox.sent(ID)
        message = here.slack.one(ID)
        assert message["revisions"] == 1
        assert "Contained" in seen(message)
        replies = here.slack.thread(message)
        assert len(replies) == 2
        assert "change 39" in seen(replies[1])


async def test_a_page_that_slack_does_not_have_counts_as_not_told() -> None:
    async with office(asking()) as here:
        here.slack.down = True
        with pytest.raises(Unavailable):
            await here.channel.send(page())
        here.slack.down = False
        await until(lambda: here.slack.about(ID))


async def test_slack_is_not_asked_again_before_the_time_that_it_named() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.slack.limited["chat.update"] = ["30"]
        before = len(here.slack.calls)
        for number in range(10):
            here.incidents[ID] = told(incident(title=f"change {number}"))
            here.outbox.touch(ID)
            await asyncio.sleep(0.01)
        methods = [method for method, _ in here.slack.calls[before:]]
        assert methods.count("chat.update") == 1
        assert any(25 < seconds <= 30 for seconds in here.slept)


async def test_what_slack_refuses_is_said_with_what_to_do() -> None:
    async with office(asking()) as here:
        here.slack.channels = ()
        with pytest.raises(Refused, match="/invite @Firebreak"):
            await here.channel.send(page())


async def test_a_message_that_somebody_deleted_is_made_anew() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.slack.messages[CHANNEL].clear()
        here.incidents[ID] = incident()
        await here.outbox.sent(ID)
        assert "Contained" in seen(here.slack.one(ID))


async def test_in_a_burst_what_asks_somebody_goes_before_what_only_tells() -> None:
    names = [f"shop-web-{number}" for number in range(6)]
    asked = asking()
    burst = {
        name: asked.model_copy(update={"summary": asked.summary.model_copy(update={"id": name})})
        for name in names
    }
    async with FakeSlack() as slack:
        here = Office(slack, Bucket(), burst)
        for name in names:
            kind = PageKind.APPROVAL if name == names[-1] else PageKind.PAGE
            await here.outbox.take(page(incident=name, kind=kind), CHANNEL)
        async with here.running():
            await until(lambda: all(slack.about(name) for name in names))
        assert slack.messages[CHANNEL][0] == slack.one(names[-1])


async def test_routes_choose_the_channel_of_a_new_message() -> None:
    async with office(asking()) as here:
        await here.channel.send(page(severity=Severity.CRITICAL))
        assert here.slack.one(ID)["channel"] == OTHER_CHANNEL


async def test_owners_are_told_in_their_own_channel_without_buttons() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        for _ in range(2):
            await here.channel.tell_owners(page("your pod is isolated until 15:00", "o-1"), OTHER_CHANNEL)
        (message,) = here.slack.messages[OTHER_CHANNEL]
        assert "your pod is isolated until 15:00" in seen(message)
        assert buttons(message) == []
        assert here.slack.one(ID)["channel"] == CHANNEL


async def test_a_page_about_no_incident_is_said_once() -> None:
    async with office(asking()) as here:
        for _ in range(2):
            await here.channel.send(page("an agent is blind: <!channel>", "b-1", PageKind.BLIND, incident=""))
        (message,) = here.slack.messages[CHANNEL]
        assert "an agent is blind" in seen(message)
        assert "<!" not in message["text"]


async def test_a_closed_incident_has_its_last_word_and_is_not_looked_at_again() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.incidents[ID] = incident(IncidentState.CLOSED, ActionState.REVERTED)
        await here.outbox.sent(ID)
        assert "Over" in seen(here.slack.one(ID))
        record = await here.records.find(ID)
        assert record
        assert record.over


async def test_what_has_long_been_over_is_forgotten() -> None:
    async with office(incident(IncidentState.CLOSED, ActionState.REVERTED)) as here:
        await here.channel.send(page())
        await here.records.change(ID, _aged)
        again = Office(here.slack, here.bucket, here.incidents)
        async with again.running():
            await until(lambda: not here.bucket.entries)


def _aged(record: Record | None) -> Record:
    assert record
    return record.model_copy(update={"created_at": NOW - timedelta(days=300)})


async def test_a_message_that_cannot_be_made_stops_no_other() -> None:
    async with office(asking()) as here:
        here.incidents["broken"] = asking().model_copy(update={"summary": None})
        with pytest.raises(Refused, match="cannot be told"):
            await here.channel.send(page(incident="broken"))
        await here.channel.send(page())
        assert here.slack.one(ID)
