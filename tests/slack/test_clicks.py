"""Who may press a button, what it means, and that everybody else sees why not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from activities.slack.groups import UserGroups
from signals.approvals import Answer, Verb, Via
from signals.errors import Refused
from signals.incidents import IncidentState
from signals.people import Person
from signals.receipts import ActionState
from tests.slack.fake import TEAM, member
from tests.slack.office import ANA, BEN, PEOPLE, Office, office, page
from tests.slack.test_message import asking
from tests.workers.cli.sample import ID, NOW, incident, waiting
from workers.slack_clicks import Kept


async def test_a_click_is_said_for_the_person_bound_to_the_plan_and_its_targets() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("approve")
        (said,) = here.said
        assert (said.person.name, said.verb, said.via) == ("ana", Verb.APPROVE, Via.SLACK)
        assert (said.plan_hash, said.target_uids) == ("f" * 64, ("u-1",))
        assert here.slack.told(ANA) == ["Heard: applied: isolate"]
        assert here.notes == []


async def test_two_clicks_are_one_saying_whoever_repeats_them() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        click = here.slack.click(ID, "approve", ANA)
        await asyncio.gather(*(here.clicking.take(click) for _ in range(3)))
        await here.idle()
        await here.press("approve")
        assert len({said.name for said in here.said}) == 1
        await here.press("approve", BEN)
        assert len({said.name for said in here.said}) == 2  # two people are two answers


async def test_after_a_refusal_the_same_button_can_be_pressed_again() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.answers = [Answer(accepted=False, message="this needs lead")]
        await here.press("approve")
        await here.press("approve")
        assert len({said.name for said in here.said}) == 2
        assert here.slack.told(ANA) == ["Not done: this needs lead", "Heard: applied: isolate"]


STRANGERS: dict[str, tuple[dict[str, Any], str]] = {
    "a guest": ({"is_restricted": True}, "guests"),
    "a guest of one channel": ({"is_ultra_restricted": True}, "guests"),
    "a bot": ({"is_bot": True}, "bots"),
    "deactivated": ({"deleted": True}, "deactivated"),
    "from another workspace": ({"team_id": "T0ELSE"}, "another workspace"),
    "a stranger": ({"is_stranger": True}, "another workspace"),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_an_account_that_may_not_speak_is_refused_and_sees_why(who: str) -> None:
    is_, why = STRANGERS[who]
    async with office(asking()) as here:
        await here.channel.send(page())
        here.slack.users[ANA] = member(ANA, **is_)
        await here.press("approve")
        refused(here, ANA, why)


async def test_somebody_whom_policy_does_not_name_is_refused() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("approve", "U0EVE")
        refused(here, "U0EVE", f"{TEAM}/U0EVE")


@pytest.mark.parametrize(
    "other",
    [
        {"team": {"id": "T0ELSE"}},
        {"api_app_id": "A0ELSE"},
        {"user": {"id": ANA, "team_id": "T0ELSE"}},
        {"container": {"type": "message", "message_ts": "1.1", "channel_id": "C0ALERTS"}},
        {"container": {"type": "message", "message_ts": "1700000000.1", "channel_id": "C0OTHER"}},
    ],
)
async def test_what_comes_from_elsewhere_is_refused(other: dict[str, Any]) -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("approve", **other)
        refused(here, ANA, "")


async def test_an_account_is_asked_about_again_after_a_minute() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("reject")
        here.slack.users[ANA] = member(ANA, deleted=True)
        here.seconds = 59
        await here.press("reject")
        assert here.refusals == []
        here.seconds = 61
        await here.press("approve")
        refused(here, ANA, "deactivated")


async def test_a_button_of_an_earlier_plan_is_refused() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        old = here.slack.click(ID, "approve", ANA)
        newer = waiting().model_copy(update={"plan_hash": "e" * 64})
        one = here.incidents[ID]
        changed = one.summary.model_copy(update={"waiting_for": newer})
        here.incidents[ID] = one.model_copy(update={"summary": changed})
        await here.clicking.take(old)
        await here.idle()
        refused(here, ANA, "changed since you looked")
        await here.outbox.sent(ID)
        await here.press("approve")
        assert [said.plan_hash for said in here.said] == ["e" * 64]


async def test_an_undo_of_what_stood_then_is_refused_when_something_else_stands() -> None:
    async with office(incident()) as here:
        await here.channel.send(page())
        old = here.slack.click(ID, "undo", ANA)
        summary = incident().summary
        more = (*summary.actions, summary.actions[0].model_copy(update={"id": "a-2"}))
        here.incidents[ID] = incident().model_copy(
            update={"summary": summary.model_copy(update={"actions": more})}
        )
        await here.clicking.take(old)
        await here.idle()
        refused(here, ANA, "changed since you looked")


async def test_what_stands_may_be_verified_between_a_look_and_an_undo() -> None:
    async with office(incident(action=ActionState.APPLIED)) as here:
        await here.channel.send(page())
        click = here.slack.click(ID, "undo", ANA)
        here.incidents[ID] = incident(action=ActionState.EFFECTIVE)
        await here.clicking.take(click)
        await here.idle()
        assert [said.verb for said in here.said] == [Verb.UNDO]


async def test_an_extension_counts_once_until_the_time_has_changed() -> None:
    async with office(incident()) as here:
        await here.channel.send(page())
        click = here.slack.click(ID, "extend", ANA)
        summary = incident().summary
        later = (summary.actions[0].model_copy(update={"expires_at": NOW + timedelta(days=3)}),)
        here.incidents[ID] = incident().model_copy(
            update={"summary": summary.model_copy(update={"actions": later})}
        )
        await here.clicking.take(click)
        await here.idle()
        refused(here, ANA, "changed since you looked")


async def test_a_question_that_is_over_is_not_answered_any_more() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        late = here.slack.click(ID, "approve", ANA)
        here.incidents[ID] = incident(IncidentState.OBSERVED, ActionState.REFUSED)
        await here.clicking.take(late)
        await here.idle()
        refused(here, ANA, "decided, expired or replaced")


async def test_what_is_irreversible_is_not_approved_by_a_button_that_somebody_made_up() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        click = here.slack.click(ID, "approve", ANA)
        here.incidents[ID] = asking("evict_pod")
        await here.clicking.take(click)
        await here.idle()
        refused(here, ANA, "not approved in Slack alone")


async def test_a_rejection_asks_why_first() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("reject")
        assert here.said == []
        await here.clicking.take(here.slack.submit(ANA, "a drill of ours"))
        await here.idle()
        (said,) = here.said
        assert (said.verb, said.reason) == (Verb.REJECT, "a drill of ours")


async def test_a_form_that_somebody_else_sends_is_theirs() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        await here.press("reject")
        await here.clicking.take(here.slack.submit("U0EVE", "hello"))
        await here.idle()
        refused(here, "U0EVE", "does not know whose")


async def test_a_restart_between_click_and_decision_loses_nothing() -> None:
    async with office(asking()) as here:
        await here.channel.send(page())
        here.whole = False  # no worker: the click has to wait
        await here.clicking.take(here.slack.click(ID, "approve", ANA))
        await here.clicking.close()
        again = Office(here.slack, here.bucket, here.incidents)
        async with again.running():
            await again.clicking.resume()
            await again.idle()
            assert [said.person.name for said in again.said] == ["ana"]
            await again.clicking.resume()
            await again.idle()
            assert len(again.said) == 1
        assert here.slack.told(ANA) == ["Heard: applied: isolate"]


async def test_a_click_that_waited_too_long_is_nobodys_word_any_more() -> None:
    async with office(incident()) as here:
        await here.channel.send(page())
        here.whole = False
        await here.clicking.take(here.slack.click(ID, "undo", ANA))
        await here.clicking.close()
        ((key, entry),) = ((k, e) for k, e in here.bucket.entries.items() if k.startswith("slack/click/"))
        kept = Kept.model_validate_json(entry.value)
        old = kept.model_copy(update={"at": kept.at - timedelta(hours=1)})
        await here.bucket.update(key, old.model_dump_json().encode(), entry.revision)
        here.whole = True
        await here.clicking.resume()
        await here.idle()
        refused(here, ANA, "could not be decided in time")


@pytest.mark.parametrize("payload", [{}, {"type": "block_actions"}, {"type": "block_actions", "actions": [{}]},
                                     {"type": "view_submission", "view": {}}, {"type": "shortcut"}])  # fmt: skip
async def test_what_is_no_button_of_ours_does_nothing(payload: dict[str, Any]) -> None:
    async with office(asking()) as here:
        await here.clicking.take(payload)
        await here.idle()
        assert here.said == []


async def test_groups_are_asked_of_slack_and_remembered_for_a_minute() -> None:
    async with office(asking()) as here:
        ana, ben = PEOPLE
        groups = UserGroups(here.web, TEAM, ["S2", "S1"], lambda: here.seconds)
        here.slack.groups = {"S1": [ANA], "S2": [BEN]}
        assert await groups.groups_of(ana) == {"S1"}
        assert await groups.groups_of(ben) == {"S2"}
        here.slack.groups["S1"] = []
        assert await groups.groups_of(ana) == {"S1"}
        here.seconds = 61
        assert await groups.groups_of(ana) == frozenset()
        assert await groups.groups_of(Person(name="eve")) == frozenset()


async def test_a_workspace_without_user_groups_says_so() -> None:
    async with office(asking()) as here:
        here.slack.paid = False
        with pytest.raises(Refused, match="paid plan"):
            await UserGroups(here.web, TEAM, ["S1"]).groups_of(PEOPLE[0])


def refused(here: Office, user: str, why: str) -> None:
    """Nothing was said; the audit record has the attempt, and whoever pressed sees why not."""
    assert here.said == []
    (answer,) = here.refusals
    assert why in answer
    assert here.slack.told(user) == [f"Not done: {answer}"]
