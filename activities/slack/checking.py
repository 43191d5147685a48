"""Whether the app is as it must be: tokens, workspace, scopes; of what is missing, what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.slack.web import Speaking

SCOPES = ("chat:write", "users:read")
"""What the bot token must be allowed."""
HISTORY = ("channels:history", "groups:history")
"""One of these: to find a message again that a crash has left unrecorded."""
GROUPS = "usergroups:read"
"""Only where policy names user groups."""


@dataclass(frozen=True)
class Identity:
    """Who we are in Slack."""

    team: str
    app: str


@dataclass(frozen=True)
class Checked:
    """Who we are, if Slack says so, and what is wrong."""

    identity: Identity | None
    wrong: tuple[str, ...]


async def check(web: Speaking, app: Speaking | None, team: str, *, groups: bool) -> Checked:
    """Look at the bot token, and at the `app`'s own token where there is one; `groups`: policy names some.

    Raises:
        Unavailable: Slack does not answer.
    """
    reply = await web.ask("auth.test")
    if reply.error:
        return Checked(None, (f"FIREBREAK_SLACK_TOKEN_FILE: {reply.told('auth.test')}",))
    wrong = list(_scopes(reply.headers.get("x-oauth-scopes", ""), groups=groups))
    found = str(reply.body.get("team_id", ""))
    if found != team:
        wrong.append(f"FIREBREAK_SLACK_TEAM is {team}, but the bot token is of workspace {found}")
    bot = await web.ask("bots.info", bot=str(reply.body.get("bot_id", "")))
    if bot.error:
        wrong.append(bot.told("bots.info"))
    if app:
        opened = await app.ask("apps.connections.open")
        if opened.error:
            why = opened.told("apps.connections.open")
            wrong.append(f"FIREBREAK_SLACK_APP_TOKEN_FILE: {why}; it needs the scope connections:write")
    known = found == team and not bot.error
    return Checked(Identity(team, str(bot.body["bot"]["app_id"])) if known else None, tuple(wrong))


def _scopes(given: str, *, groups: bool) -> Sequence[str]:
    """Return what is missing, as what to do."""
    has = {scope.strip() for scope in given.split(",")}
    if not given:
        return ()  # Slack did not say
    missing = [scope for scope in SCOPES if scope not in has]
    if not has & {*HISTORY}:
        missing.append(" or ".join(HISTORY))
    if groups and GROUPS not in has:
        missing.append(GROUPS)
    return [f"the Slack app lacks the scope {scope}: add it and install the app again" for scope in missing]
