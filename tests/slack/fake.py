"""A fake Slack: Web API, Socket Mode and signed HTTP, on 127.0.0.1.

It is here because the real one cannot be run. It reproduces what Slack documents: which methods take which
arguments, tokens and scopes; the limits of blocks; ids of messages; metadata that is only returned when asked for;
429 with `Retry-After`; trigger ids that end after 3 s; envelopes that must be acknowledged; the signature of
requests. It does not deliver an envelope twice by itself, as Slack may: tests do that.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession, WSMsgType, web
from slack_sdk.signature import SignatureVerifier

from tests.slack.limits import elements, refused, texts

TEAM, APP, BOT, BOT_ID = "T0FIRE", "A0FIRE", "U0BOT", "B0BOT"
CHANNEL, OTHER_CHANNEL = "C0ALERTS", "C0OTHER"
TOKEN, APP_TOKEN, SECRET = "xoxb-1-fake", "xapp-1-fake", "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = "chat:write,channels:history,users:read,usergroups:read"
READING = {
    "users.info",
    "usergroups.users.list",
    "conversations.history",
    "conversations.replies",
    "bots.info",
}


def member(user: str, **is_: Any) -> dict[str, Any]:
    return {"id": user, "team_id": TEAM, "deleted": False, "is_bot": False, "is_restricted": False,
            "is_ultra_restricted": False, "is_stranger": False, **is_}  # fmt: skip


@dataclass
class FakeSlack:
    """One workspace with one app."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    channels: tuple[str, ...] = (CHANNEL, OTHER_CHANNEL)
    scopes: str = SCOPES
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    whispers: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    acks: list[str] = field(default_factory=list)
    down: bool = False
    paid: bool = True
    limited: dict[str, list[str]] = field(default_factory=dict)
    """By method: the `Retry-After` of each of the next answers."""
    loses: set[str] = field(default_factory=set)
    """Methods that are carried out once while their answer gets lost."""
    port: int = 0

    async def __aenter__(self) -> "FakeSlack":
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._link)
        self._sockets: list[web.WebSocketResponse] = []
        self._count = 0
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self._sockets:
            await socket.close()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def one(self, incident: str) -> dict[str, Any]:
        """Return the one message about an incident."""
        found = self.about(incident)
        assert len(found) == 1, f"{len(found)} messages about {incident}"
        return found[0]

    def about(self, incident: str) -> list[dict[str, Any]]:
        every = [one for channel in self.messages.values() for one in channel]
        return [one for one in every if _payload(one).get("message") == incident]

    def thread(self, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self.messages[message["channel"]] if one.get("thread_ts") == message["ts"]]

    def told(self, user: str) -> list[str]:
        """Return what one person alone was told."""
        return [one["blocks"][0]["elements"][0]["text"] for one in self.whispers if one["user"] == user]

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if self.down:
            return web.Response(status=503, text="down")
        given = dict(request.query) if method in READING else await _body(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        wanted = APP_TOKEN if method == "apps.connections.open" else TOKEN
        if token != wanted:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        self.calls.append((method, given))
        if waits := self.limited.get(method):
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": waits.pop(0)}
            )
        answer = getattr(self, "_" + method.replace(".", "_"), _unknown)(given)
        if method in self.loses:
            self.loses.discard(method)
            assert request.transport
            request.transport.abort()
        return web.json_response(answer, headers={"X-OAuth-Scopes": self.scopes})

    def _auth_test(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "team_id": TEAM, "user_id": BOT, "bot_id": BOT_ID}

    def _bots_info(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "bot": {"id": BOT_ID, "app_id": APP}}

    def _users_info(self, given: dict[str, Any]) -> dict[str, Any]:
        user = self.users.get(given["user"])
        return {"ok": True, "user": user} if user else _error("user_not_found")

    def _usergroups_users_list(self, given: dict[str, Any]) -> dict[str, Any]:
        if not self.paid:
            return _error("plan_upgrade_required")
        users = self.groups.get(given["usergroup"])
        return _error("no_such_subteam") if users is None else {"ok": True, "users": users}

    def _apps_connections_open(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/link"}

    def _chat_postMessage(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = given["channel"]
        if channel not in self.channels:
            return _error("channel_not_found")
        if why := refused(given.get("blocks") or []):
            return {**_error("invalid_blocks"), "why": why}
        self._count += 1
        ts = f"{time.time():.0f}.{self._count:06d}"
        self.messages[channel].append({**given, "ts": ts, "revisions": 0})
        return {"ok": True, "channel": channel, "ts": ts}

    def _chat_update(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [one for one in self.messages[given["channel"]] if one["ts"] == given["ts"]]
        if not found:
            return _error("message_not_found")
        if why := refused(given.get("blocks") or []):
            return {**_error("invalid_blocks"), "why": why}
        found[0].update({**given, "revisions": found[0]["revisions"] + 1})
        return {"ok": True, "channel": given["channel"], "ts": given["ts"]}

    def _chat_postEphemeral(self, given: dict[str, Any]) -> dict[str, Any]:
        if why := refused(given.get("blocks") or []):
            return {**_error("invalid_blocks"), "why": why}
        self.whispers.append(given)
        return {"ok": True, "message_ts": "1.1"}

    def _conversations_history(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [one for one in self.messages[given["channel"]] if "thread_ts" not in one]
        return _listed([one for one in found if float(one["ts"]) >= float(given.get("oldest", 0))], given)

    def _conversations_replies(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self.messages[given["channel"]]
        return _listed([one for one in found if given["ts"] in (one["ts"], one.get("thread_ts"))], given)

    def _views_open(self, given: dict[str, Any]) -> dict[str, Any]:
        issued = float(given["trigger_id"].partition("-")[2])
        if time.monotonic() - issued > 3:
            return _error("expired_trigger_id")
        view = given["view"]
        if len(view["private_metadata"]) > 3000 or any(
            len(view[n]["text"]) > 24 for n in ("title", "submit", "close")
        ):
            return _error("invalid_arguments")
        self.views.append(view)
        return {"ok": True, "view": {"id": f"V{len(self.views)}"}}

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": APP}})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.acks.append(json.loads(message.data)["envelope_id"])
        self._sockets.remove(socket)
        return socket

    async def send(self, payload: Mapping[str, Any], envelope: str = "") -> str:
        """Send an envelope over Socket Mode, and return its id once it is acknowledged."""
        self._count += 1
        envelope = envelope or f"e{self._count}"
        known, deadline = self.acks.count(envelope), time.monotonic() + 20
        while not self._sockets:
            assert time.monotonic() < deadline, "the app has no connection"
            await asyncio.sleep(0.02)
        await self._sockets[-1].send_json(
            {
                "type": "interactive",
                "envelope_id": envelope,
                "accepts_response_payload": False,
                "payload": payload,
            }
        )
        while self.acks.count(envelope) == known:
            assert time.monotonic() < deadline, f"{envelope} was not acknowledged"
            await asyncio.sleep(0.01)
        return envelope

    async def disconnect(self) -> None:
        """Renew the connection, as Slack does every few hours."""
        await self._sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    def click(self, incident: str, verb: str, user: str, /, **other: Any) -> dict[str, Any]:
        """Return what Slack sends when somebody presses a button of the message about an incident."""
        message = self.one(incident)
        button = next(b for b in elements(message["blocks"]) if b["action_id"] == f"firebreak.{verb}")
        return press(message, button, user, **other)

    def submit(self, user: str, reason: str) -> dict[str, Any]:
        """Return what Slack sends when somebody fills in the form that was opened last."""
        view = {**self.views[-1], "state": {"values": {"reason": {"reason": {"value": reason}}}}}
        return {"type": "view_submission", "team": {"id": TEAM}, "api_app_id": APP, "view": view,
                "user": {"id": user, "team_id": TEAM}}  # fmt: skip


def press(
    message: Mapping[str, Any], button: Mapping[str, Any], user: str, /, **other: Any
) -> dict[str, Any]:
    """Return what Slack sends when this button of this message is pressed."""
    channel = message["channel"]
    return {
        "type": "block_actions",
        "team": {"id": TEAM},
        "api_app_id": APP,
        "user": {"id": user, "team_id": TEAM},
        "channel": {"id": channel},
        "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel},
        "trigger_id": f"t-{time.monotonic()}",
        "actions": [{"type": "button", "block_id": "firebreak", "action_ts": f"{time.time()}", **button}],
        **other,
    }


async def post(url: str, payload: Mapping[str, Any], at: str, *, secret: str = SECRET, sent: str = "") -> int:
    """Post a signed request as Slack does, and return the status; `sent` replaces the body after the signature."""
    body = urlencode({"payload": json.dumps(payload)})
    signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature or "",
               "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    async with ClientSession() as session, session.post(url, data=sent or body, headers=headers) as answer:
        return answer.status


def seen(message: Mapping[str, Any]) -> str:
    """Return all that a person reads in a message."""
    return "\n".join(texts(message["blocks"]))


def buttons(message: Mapping[str, Any]) -> list[str]:
    """Return what can be pressed in a message."""
    return [one["action_id"].removeprefix("firebreak.") for one in elements(message["blocks"])]


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = (message.get("metadata") or {}).get("event_payload") or {}
    return payload


def _listed(found: list[dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return one page, the newest messages first."""
    if given.get("include_all_metadata") != "true":
        found = [{name: value for name, value in one.items() if name != "metadata"} for one in found]
    first, many = int(given.get("cursor") or 0), int(given.get("limit") or 100)
    after = f"{first + many}" if first + many < len(found) else ""
    page = found[::-1][first : first + many]
    more = {"next_cursor": after}
    return {"ok": True, "messages": page, "has_more": bool(after), "response_metadata": more}


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}


def _unknown(given: dict[str, Any]) -> dict[str, Any]:
    return _error("unknown_method")


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {name: str(value) for name, value in (await request.post()).items()}
