"""Slack's Web API as we use it: our own errors, waiting times as Slack asks for them, secrets from files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from signals.errors import Refused, Unavailable

TIMEOUT_SECONDS = 10
"""How long one call may take."""
READING = frozenset(
    {"users.info", "usergroups.users.list", "conversations.history", "conversations.replies", "bots.info"}
)
"""Methods that take their arguments in the URL, not as JSON."""
PASSING = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}
)
"""Errors that the same call may not meet later."""
HINTS = {
    "invalid_auth": "the bot token is not valid: install the app again and put its new token into the file",
    "account_inactive": "the bot token belongs to an app that was removed: install it again",
    "token_revoked": "the bot token was revoked: install the app again",
    "not_authed": "the token file is empty",
    "missing_scope": "the app lacks a scope: add it and install the app again",
    "not_in_channel": "invite the app into the channel: /invite @Firebreak",
    "channel_not_found": "there is no such channel, or the app was not invited into it: /invite @Firebreak",
    "is_archived": "the channel is archived: name another one",
    "plan_upgrade_required": "user groups need a paid plan of Slack: map people, not groups",
    "expired_trigger_id": "that took longer than 3 s: press the button again",
}
"""What to do about an error of Slack's."""


@dataclass(frozen=True)
class Reply:
    """What Slack answered: its body, or the code of its error."""

    body: Mapping[str, Any]
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def told(self, method: str) -> str:
        """Return the error in words, with what to do about it."""
        needed = f" ({self.body['needed']})" if self.body.get("needed") else ""
        hint = f": {HINTS[self.error]}" if self.error in HINTS else ""
        return f"Slack refuses {method}: {self.error}{needed}{hint}"


class Speaking(Protocol):
    """The Web API, as one bot."""

    async def ask(self, method: str, **arguments: Any) -> Reply:
        """Call a method; that Slack refuses it is an answer.

        Raises:
            Unavailable: Slack did not answer, or asks to wait (`retry_after`).
        """

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Call a method and return its body.

        Raises:
            Unavailable: as `ask`.
            Refused: Slack would not; the text says what to do.
        """


class Web:
    """The real one. Where Slack asks to wait, nobody asks again before the time is up."""

    def __init__(self, token: str, url: str) -> None:
        """Speak with this bot token to the API at this base URL."""
        self._client = AsyncWebClient(
            token, base_url=url, timeout=TIMEOUT_SECONDS, retry_handlers=[], trust_env_in_session=True
        )
        self._held: dict[tuple[str, str], float] = {}
        """By method and channel, as Slack counts: until when (monotonic seconds) it asked to wait."""

    async def ask(self, method: str, **arguments: Any) -> Reply:
        """Call a method."""
        key = method, str(arguments.get("channel", ""))
        left = self._held.get(key, 0.0) - monotonic()
        if left > 0:
            raise Unavailable(f"Slack asked to wait with {method}", left)
        try:
            return await self._ask(method, arguments)
        except Unavailable as error:
            if error.retry_after is not None:
                self._held[key] = monotonic() + error.retry_after
            raise

    async def _ask(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        try:
            if method in READING:
                answer = await self._client.api_call(method, http_verb="GET", params=dict(arguments))
            else:
                answer = await self._client.api_call(method, json=dict(arguments))
        except SlackApiError as error:
            return _meaning(method, error)
        except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                f"Slack does not answer {method}: {str(error) or type(error).__name__}"
            ) from error
        return Reply(body=_body(answer.data), headers=_lowered(answer.headers))

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Call a method and return its body."""
        reply = await self.ask(method, **arguments)
        if reply.error:
            raise Refused(reply.told(method))
        return reply.body


def _meaning(method: str, error: SlackApiError) -> Reply:
    response: Any = error.response
    status = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    headers = _lowered(getattr(response, "headers", {}))
    body = _body(getattr(response, "data", {}))
    code = str(body.get("error") or "")
    if status == 429:
        after = headers.get("retry-after", "")
        raise Unavailable(f"Slack asks to wait with {method}", float(after) if after.isdigit() else 30.0)
    if status >= 500 or code in PASSING or not code:
        raise Unavailable(f"Slack does not answer {method}: {code or f'status {status}'}")
    return Reply(body=body, error=code, headers=headers)


def _body(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
