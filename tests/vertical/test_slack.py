"""From an alert to a message in Slack, from a click to the cluster and back: everything real but Slack itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from activities.ports import COMMANDS, Manifest
from signals.incidents import Incident, IncidentState
from signals.subjects import LIAISON, NAMESPACE
from tests.nats_server import free_port
from tests.slack.fake import APP_TOKEN, CHANNEL, SECRET, TEAM, TOKEN, FakeSlack, buttons, member, post, seen
from tests.vertical.scene import ATTACKER, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, staged, until
from tests.vertical.test_record import entries
from workers.slack_doors import PATH

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

ANA, BEN, EVE = "U0ANA", "U0BEN", "U0EVE"
POLICY = f"""
isolate_steps: []
approval_seconds: 60
people:
- name: otto
  kubernetes: [oncall]
- name: lena
  kubernetes: [lead]
  roles: [lead]
- name: ana
  roles: [lead]
  slack: [{{team: {TEAM}, user: {ANA}}}]
- name: ben
  roles: [lead]
  slack: [{{team: {TEAM}, user: {BEN}}}]
authority:
  rules: []
"""


@dataclass(frozen=True)
class Workspace:
    """A stack, and the Slack that its liaison speaks with."""

    stage: Stage
    slack: FakeSlack
    door: str
    """Where the liaison takes signed requests."""

    async def asked(self, here: Scene) -> tuple[Incident, Manifest]:
        """Return an incident that waits for a person, and the pod; its message is there."""
        pod = await here.fill()
        await self.stage.post(here.alert(REVERSE_SHELL, pod))
        waits = await self.stage.incident(here, lambda one: one.summary.waiting_for is not None)
        await self.shows(waits.summary.id, "approve")
        return waits, pod

    async def shows(self, incident: str, button: str) -> None:
        """Return once the one message about an incident has a button."""

        async def has() -> bool:
            found = self.slack.about(incident)
            return bool(found) and button in buttons(found[-1])

        await until(has, lambda: f"{[seen(one) for one in self.slack.about(incident)]}")

    async def told(self, user: str, words: str) -> None:
        """Return once somebody alone was told this."""

        async def was() -> bool:
            return any(words in text for text in self.slack.told(user))

        await until(was, lambda: f"{user} was told {self.slack.told(user)}")

    async def commands(self, incident: str, verb: str) -> list[Manifest]:
        every = await self.stage.cluster.list(COMMANDS, NAMESPACE)
        return [
            one for one in every if (one["spec"].get("incident"), one["spec"]["verb"]) == (incident, verb)
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workspace(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workspace]:
    root = tmp_path_factory.mktemp("slack")
    settings = {"slack_team": TEAM, "slack_channel": CHANNEL}
    secrets = {"token_file": TOKEN, "app_token_file": APP_TOKEN, "signing_secret_file": SECRET}
    for name, text in ((f"slack_{name}", text) for name, text in secrets.items()):
        (root / name).write_text(text)
        settings[name] = str(root / name)
    port = free_port()
    async with FakeSlack(users={user: member(user) for user in (ANA, BEN, EVE)}) as slack:
        told = {**settings, "slack_url": slack.url, "slack_port": port}
        async with staged(root, policy=POLICY, settings=told) as stage:
            yield Workspace(stage, slack, f"http://127.0.0.1:{port}{PATH}")


async def test_an_alert_becomes_a_message_a_click_contains_and_another_puts_back(
    workspace: Workspace,
) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, pod = await workspace.asked(here)
        name = waits.summary.id
        message = slack.one(name)
        assert "Needs a decision" in seen(message)
        assert await here.changed() == []

        await slack.send(slack.click(name, "approve", ANA))
        await stage.incident(here, settled)
        assert not await here.reaches(pod, ATTACKER)
        await workspace.shows(name, "undo")
        await workspace.told(ANA, "Heard")
        assert slack.one(name) is message
        assert "approve" not in buttons(message)
        assert "ana" in seen(message)

        await slack.send(slack.click(name, "undo", BEN))
        await stage.incident(here, lambda one: one.summary.state is IncidentState.UNDONE)
        assert await here.changed() == []
        await workspace.told(BEN, "Heard")
        on_record = [one["body"] for one in await entries(stage, name) if one["kind"] == "command"]
        assert [(one["actor"], one["verb"]) for one in on_record] == [("ana", "approve"), ("ben", "undo")]


async def test_a_liaison_that_dies_between_click_and_decision_decides_once(workspace: Workspace) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, _ = await workspace.asked(here)
        name = waits.summary.id
        click = slack.click(name, "approve", ANA)
        await slack.send(click)
        restarts = stage.kill(LIAISON)
        await stage.back(LIAISON, restarts)
        await slack.send(click)
        await stage.incident(here, settled)
        await workspace.told(ANA, "Heard")
        assert len(await workspace.commands(name, "approve")) == 1
        await workspace.shows(name, "undo")
        assert len(slack.about(name)) == 1


async def test_of_two_people_at_once_one_decides_and_the_other_sees_why_not(workspace: Workspace) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, _ = await workspace.asked(here)
        name, known = waits.summary.id, len(slack.whispers)
        clicks = [slack.click(name, "approve", user) for user in (ANA, BEN)]
        await asyncio.gather(*(slack.send(click) for click in clicks))
        await stage.incident(here, settled)

        async def both() -> bool:
            return len(slack.whispers) >= known + 2

        await until(both, lambda: f"{slack.whispers[known:]}")
        said = sorted(one["text"].partition(":")[0] for one in slack.whispers[known:])
        assert said == ["Heard", "Not done"]


async def test_a_stranger_is_refused_sees_why_and_is_on_record(workspace: Workspace) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, _ = await workspace.asked(here)
        name = waits.summary.id
        await slack.send(slack.click(name, "approve", EVE))
        await workspace.told(EVE, "does not know whose Slack account this is")
        assert await workspace.commands(name, "approve") == []

        async def on_record() -> bool:
            told = [one["body"] for one in await entries(stage, name) if one["kind"] == "command"]
            return [(one["actor"], one["accepted"]) for one in told] == [(f"slack:{TEAM}/{EVE}", False)]

        await until(on_record, lambda: "the refusal is not on record")
        assert await here.changed() == []


async def test_a_signed_request_means_the_same_and_its_replay_nothing(workspace: Workspace) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, _ = await workspace.asked(here)
        name, at = waits.summary.id, f"{time.time():.0f}"
        click = slack.click(name, "reject", BEN)
        assert await post(workspace.door, click, at) == 200
        assert await post(workspace.door, click, at) == 401
        await until(lambda: _is(bool(slack.views)), lambda: "no form was opened")
        assert await post(workspace.door, slack.submit(BEN, "a drill of ours"), at) == 200
        rejected = await stage.incident(here, lambda one: one.summary.waiting_for is None)
        assert "rejected by ben: a drill of ours" in rejected.receipts[0].reason
        await workspace.told(BEN, "Heard")
        assert await here.changed() == []


async def test_while_slack_is_away_all_else_goes_on_and_the_message_catches_up(workspace: Workspace) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("auto") as here:
        pod = await here.fill()
        slack.down = True
        try:
            await stage.post(here.alert(REVERSE_SHELL, pod))
            contained = await stage.incident(here, settled)
            name = contained.summary.id

            async def told() -> bool:
                return name in await asyncio.to_thread(stage.stack.layout.pages.read_text)

            await until(told, lambda: f"the journal has no page about {name}")
        finally:
            slack.down = False
        await workspace.shows(name, "undo")
        message = slack.one(name)
        assert "Contained" in seen(message)
        assert message["revisions"] <= 1


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_question_that_nobody_answers_says_so_and_is_answered_by_nobody_later(
    workspace: Workspace,
) -> None:
    slack, stage = workspace.slack, workspace.stage
    async with stage.scene("approve") as here:
        waits, _ = await workspace.asked(here)
        name = waits.summary.id
        late = slack.click(name, "approve", ANA)

        async def says_so() -> bool:
            message = slack.one(name)
            return "nobody answered in time" in seen(message) and "approve" not in buttons(message)

        await until(says_so, lambda: seen(slack.one(name)), seconds=150)
        await slack.send(late)
        await workspace.told(ANA, "decided, expired or replaced")
        assert await here.changed() == []


async def _is(so: bool) -> bool:
    return so
