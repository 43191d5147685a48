"""Whether an account may speak at all: of our workspace, through our app, a full member, and a human being.

Slack is asked when somebody decides; an answer is used again for at most a minute. Who that person is, and what
they may say, stands in policy and not here.
"""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from activities.slack.click import Click
from activities.slack.web import Speaking
from signals.errors import Refused

FRESH_SECONDS = 60.0
"""How long an answer of Slack's about an account is used."""
MOST_ACCOUNTS = 1000


class Border:
    """Lets accounts of one workspace in."""

    def __init__(self, web: Speaking, team: str, app: str, clock: Callable[[], float] = monotonic) -> None:
        """Let in what comes from this workspace through this app; `clock` counts seconds."""
        self._web = web
        self._team = team
        self._app = app
        self._clock = clock
        self._accounts: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def admit(self, click: Click) -> None:
        """Return if whoever pressed this may speak.

        Raises:
            Refused: they may not; the text is for them.
            Unavailable: Slack does not say who they are now.
        """
        if click.team != self._team or click.app != self._app:
            raise Refused(
                "this came from another Slack workspace or app than the one that Firebreak is told of"
            )
        if click.user_team != self._team:
            raise Refused("people of another workspace (Slack Connect) decide nothing here")
        account = await self._account(click.user)
        if why := _unfit(account, self._team):
            raise Refused(why)

    async def _account(self, user: str) -> Mapping[str, Any]:
        known = self._accounts.get(user)
        if known and self._clock() - known[0] < FRESH_SECONDS:
            return known[1]
        body = await self._web.call("users.info", user=user)
        account: Mapping[str, Any] = body["user"]
        if len(self._accounts) >= MOST_ACCOUNTS:
            self._accounts.clear()
        self._accounts[user] = self._clock(), account
        return account


def _unfit(account: Mapping[str, Any], team: str) -> str:
    """Return why an account may not speak, or nothing."""
    if account.get("deleted"):
        return "this Slack account is deactivated"
    if account.get("is_bot") or account.get("is_workflow_bot") or account.get("id") == "USLACKBOT":
        return "bots decide nothing"
    if account.get("is_restricted") or account.get("is_ultra_restricted"):
        return "guests of the workspace decide nothing"
    if account.get("is_stranger") or account.get("team_id", team) != team:
        return "people of another workspace (Slack Connect) decide nothing here"
    return ""
