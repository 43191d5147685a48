"""What is wrong with an app is said at the start, with what to do."""

from pathlib import Path

import pytest

from activities.outbound import secret
from activities.slack.checking import check
from activities.slack.web import Web
from signals.errors import SettingsInvalid
from tests.slack.fake import APP, APP_TOKEN, TEAM, TOKEN, FakeSlack
from workers.settings import Settings, named
from workers.slack_doctor import examine


async def test_an_app_as_it_must_be_has_nothing_wrong() -> None:
    async with FakeSlack() as slack:
        found = await check(Web(TOKEN, slack.url), Web(APP_TOKEN, slack.url), TEAM, groups=True)
    assert found.wrong == ()
    assert found.identity
    assert (found.identity.team, found.identity.app) == (TEAM, APP)


async def test_each_missing_scope_is_named() -> None:
    async with FakeSlack(scopes="chat:write") as slack:
        found = await check(Web(TOKEN, slack.url), None, TEAM, groups=True)
    said = "\n".join(found.wrong)
    for scope in ("users:read", "channels:history or groups:history", "usergroups:read"):
        assert scope in said


async def test_a_token_that_is_not_valid_and_a_wrong_workspace_are_named() -> None:
    async with FakeSlack() as slack:
        bad = await check(Web("xoxb-old", slack.url), None, TEAM, groups=False)
        other = await check(Web(TOKEN, slack.url), Web("xapp-old", slack.url), "T0ELSE", groups=False)
    assert "install the app again" in bad.wrong[0]
    assert bad.identity is None
    assert f"of workspace {TEAM}" in other.wrong[0]
    assert "connections:write" in other.wrong[1]
    assert other.identity is None


def test_a_file_without_a_token_is_named_and_what_it_holds_is_not(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2")
    with pytest.raises(SettingsInvalid, match="xoxb-") as refused:
        secret(file, "FIREBREAK_SLACK_TOKEN_FILE", begins="xoxb-")
    assert "hunter2" not in str(refused.value)


async def test_the_doctor_says_that_slack_is_not_needed_or_what_is_missing(tmp_path: Path) -> None:
    assert await examine(Settings()) == (False, ())
    file = tmp_path / "token"
    file.write_text(TOKEN)
    async with FakeSlack(scopes="chat:write") as slack:
        given = Settings(slack_token_file=file, slack_team=TEAM, slack_channel="C1", slack_url=slack.url)
        connected, wrong = await examine(given)
    assert connected
    assert "users:read" in wrong[0]
    assert "nobody can press a button" in wrong[-1]


def test_a_stack_is_told_of_slack_by_the_environment_and_of_nothing_else() -> None:
    given = {"FIREBREAK_SLACK_TEAM": TEAM, "FIREBREAK_CLUSTER_NAME": "elsewhere", "HOME": "/"}
    assert named("slack_", given) == {"slack_team": TEAM}
