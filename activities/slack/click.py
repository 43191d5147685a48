"""What Slack sends when somebody presses a button or fills in a form: read strictly, believed in nothing."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from activities.slack.blocks import Block, plain
from activities.slack.buttons import PREFIX, Value
from signals.approvals import Verb
from signals.errors import Refused

REASON = "firebreak.reason"
"""Callback of the form that asks for the reason of a rejection."""
SPOKEN = (Verb.APPROVE, Verb.REJECT, Verb.UNDO, Verb.EXTEND, Verb.STAND_DOWN)
MOST_REASON = 500
"""Characters of a reason."""


class Click(BaseModel, frozen=True):
    """One button, pressed by one account. Nothing of it is proved but that Slack sent it."""

    team: str
    app: str
    user: str
    user_team: str
    channel: str
    ts: str
    """The message that the button is in."""
    verb: Verb
    value: Value
    trigger: str = ""
    """Opens a form, within 3 s."""
    reason: str = ""


class _Form(BaseModel, frozen=True):
    """What a form carries about the button that opened it."""

    value: Value
    channel: str
    ts: str


def read(payload: Mapping[str, Any]) -> Click | None:
    """Return what was pressed; None where it asks nothing of us, as a link does.

    Raises:
        Refused: it is not what Slack sends for one of our buttons.
    """
    try:
        if payload.get("type") == "view_submission":
            return _submitted(payload)
        return _pressed(payload) if payload.get("type") == "block_actions" else None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise Refused("this is not what Slack sends for a button of Firebreak's") from error


def _pressed(payload: Mapping[str, Any]) -> Click | None:
    action = payload["actions"][0]
    verb = str(action["action_id"]).removeprefix(PREFIX)
    if verb not in SPOKEN:
        return None
    return Click(
        **_who(payload),
        channel=payload["container"]["channel_id"],
        ts=payload["container"]["message_ts"],
        verb=Verb(verb),
        value=Value.model_validate_json(action["value"]),
        trigger=payload.get("trigger_id", ""),
    )


def _submitted(payload: Mapping[str, Any]) -> Click | None:
    view = payload["view"]
    if view["callback_id"] != REASON:
        return None
    form = _Form.model_validate_json(view["private_metadata"])
    reason = str(view["state"]["values"]["reason"]["reason"]["value"] or "").strip()
    return Click(
        **_who(payload),
        channel=form.channel,
        ts=form.ts,
        verb=Verb.REJECT,
        value=form.value,
        reason=reason[:MOST_REASON] or "no reason was given",
    )


def _who(payload: Mapping[str, Any]) -> dict[str, str]:
    user = payload["user"]
    team = payload["team"]["id"]
    return {
        "team": team,
        "app": payload["api_app_id"],
        "user": user["id"],
        "user_team": user.get("team_id", team),
    }


def form(click: Click) -> Block:
    """Return the form that asks why."""
    carried = _Form(value=click.value, channel=click.channel, ts=click.ts).model_dump_json()
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": carried,
        "title": plain("Reject the plan"),
        "submit": plain("Reject"),
        "close": plain("Go back"),
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": plain("Why? Nothing is written then, and the incident stays open."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "reason",
                    "multiline": True,
                    "max_length": MOST_REASON,
                },
            }
        ],
    }


def parse(text: str) -> Mapping[str, Any]:
    """Return a payload from JSON.

    Raises:
        Refused: it is no JSON object.
    """
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise Refused("the payload is no JSON") from error
    if not isinstance(payload, dict):
        raise Refused("the payload is no JSON object")
    return payload
