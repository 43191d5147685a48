"""What Slack documents that it refuses in a message, as a function over blocks.

From the reference of Block Kit: at most 50 blocks, 3,000 characters in a text, 150 in a header, 75 on a button,
255 in an action id, which is used once, 2,000 in a value, 25 elements in an actions block, 10 in a context. The sum
(13,200 characters) is not in the reference; it is what Slack answers `msg_blocks_too_long` to.
"""

from collections.abc import Iterator, Mapping
from typing import Any

MOST_IN_ALL = 13_200
RICH = {"rich_text_section", "rich_text_list"}


def refused(blocks: list[Mapping[str, Any]]) -> str:
    """Return why Slack would refuse these blocks, or nothing."""
    if len(blocks) > 50:
        return "more than 50 blocks"
    ids = [one["action_id"] for one in elements(blocks) if "action_id" in one]
    if len(ids) != len(set(ids)):
        return f"an action id is used twice: {ids}"
    if sum(map(len, texts(blocks))) > MOST_IN_ALL:
        return "msg_blocks_too_long"
    return next((why for block in blocks if (why := _block(block))), "")


def _block(block: Mapping[str, Any]) -> str:
    kind = block["type"]
    if kind == "header":
        return _text(block["text"], 150, ("plain_text",))
    if kind == "context":
        if len(block["elements"]) > 10:
            return "more than 10 elements of context"
        return next((why for one in block["elements"] if (why := _text(one, 3000))), "")
    if kind == "actions":
        if not 1 <= len(block["elements"]) <= 25:
            return "an actions block has 1 to 25 elements"
        return next((why for one in block["elements"] if (why := _button(one))), "")
    if kind == "rich_text":
        return next((why for one in block["elements"] if (why := _rich(one))), "")
    return f"this fake knows no block {kind}"


def _text(text: Mapping[str, Any], most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> str:
    if text["type"] not in kinds:
        return f"{text['type']} is not one of {kinds}"
    return (
        "" if 1 <= len(text["text"]) <= most else f"a text has 1 to {most} characters: {text['text'][:80]!r}"
    )


def _button(button: Mapping[str, Any]) -> str:
    if button["type"] != "button" or len(button["action_id"]) > 255 or len(button.get("value", "")) > 2000:
        return f"not a button, or its id or value is too long: {button}"
    if len(button.get("url", "")) > 3000 or button.get("style", "primary") not in ("primary", "danger"):
        return f"the url is too long, or the style unknown: {button}"
    if confirm := button.get("confirm"):
        for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            if why := _text(confirm[name], most):
                return f"{name}: {why}"
    return _text(button["text"], 75, ("plain_text",))


def _rich(part: Mapping[str, Any]) -> str:
    if part["type"] not in RICH:
        return f"this fake knows no {part['type']}"
    if not part["elements"]:
        return f"an empty {part['type']}"
    return next((why for one in part["elements"] if (why := _piece(one))), "")


def _piece(one: Mapping[str, Any]) -> str:
    if one["type"] in RICH:
        return _rich(one)
    fits: dict[str, bool] = {
        "text": 1 <= len(one.get("text", "")) <= 3000,
        "date": isinstance(one.get("timestamp"), int),
        "usergroup": str(one.get("usergroup_id", "")).startswith("S"),
    }
    return "" if fits.get(one["type"]) else f"not a piece of rich text: {one}"


def elements(blocks: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield every button."""
    for block in blocks:
        if block["type"] == "actions":
            yield from block["elements"]


def texts(part: Any) -> Iterator[str]:
    """Yield every text that a person sees."""
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part["text"]
        for name, value in part.items():
            if name not in ("value", "action_id", "block_id", "url"):
                yield from texts(value)
    elif isinstance(part, list | tuple):
        for one in part:
            yield from texts(one)
