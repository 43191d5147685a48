"""The few Block Kit shapes that we use, each within Slack's limits and showing text as it is.

Everything stands in rich text or plain text: there `<!channel>`, `*bold*` and addresses are only characters, and
what came from an alert is code, so that it can be told from our own words and imitates nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from signals.display import literal

Block = dict[str, Any]
Element = dict[str, Any]

MOST_BLOCKS = 50
"""In one message, says Slack."""
MOST_CHARACTERS = 3000
"""In one text, says Slack."""
MOST_IN_ALL = 12_000
"""Characters of all texts of one message, somewhat less than Slack takes."""
HEADER = 150
"""Characters of a header."""
BUTTON = 75
"""Characters on a button."""
SHOWN = 240
"""Characters shown of one text that came from an alert."""


def text(words: str, *, bold: bool = False) -> Element:
    """Return our own words."""
    styled: Element = {"style": {"bold": True}} if bold else {}
    return {"type": "text", "text": words[:MOST_CHARACTERS], **styled}


def theirs(words: str, limit: int = SHOWN) -> Element:
    """Return words that may be an attacker's: cut, harmless, and set apart as code."""
    return {"type": "text", "text": literal(words, limit) or "-", "style": {"code": True}}


def mention(group: str) -> Element:
    """Return a mention of a user group, which wakes whoever is in it."""
    return {"type": "usergroup", "usergroup_id": group}


def moment(at: datetime) -> list[Element]:
    """Return an instant, in UTC and as the reader's own clock shows it."""
    told = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    local = {"type": "date", "timestamp": int(at.timestamp()), "format": "{time}", "fallback": told}
    return [text(f"{told} ("), local, text(" your time)")]


def paragraph(*elements: Element) -> Block:
    """Return one paragraph."""
    return {"type": "rich_text_section", "elements": [one for one in elements if one.get("text") != ""]}


def bullets(lines: Sequence[Sequence[Element]]) -> Block:
    """Return a list, an item for each line."""
    return {"type": "rich_text_list", "style": "bullet", "elements": [paragraph(*line) for line in lines]}


def section(title: str, *parts: Block) -> Block:
    """Return paragraphs and lists under a title of ours."""
    return {"type": "rich_text", "elements": [paragraph(text(title, bold=True)), *parts]}


def header(words: str) -> Block:
    """Return the first line of a message. It may hold text from alerts."""
    return {"type": "header", "text": plain(literal(words, HEADER))}


def context(words: str) -> Block:
    """Return a line in small print."""
    return {"type": "context", "elements": [plain(words[:MOST_CHARACTERS])]}


def plain(words: str) -> Element:
    """Return a text in which nothing means anything."""
    return {"type": "plain_text", "text": words or "-", "emoji": False}


def button(action: str, label: str, value: str, style: str = "", confirm: Block | None = None) -> Element:
    """Return one button that speaks to us."""
    made: Element = {"type": "button", "action_id": action, "text": plain(label[:BUTTON]), "value": value}
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = confirm
    return made


def link(action: str, label: str, url: str) -> Element:
    """Return one button that opens a page of ours."""
    return {"type": "button", "action_id": action, "text": plain(label[:BUTTON]), "url": url[:3000]}


def confirm(title: str, words: str, yes: str, *, danger: bool = True) -> Block:
    """Return what is asked before a button counts."""
    return {
        "title": plain(title[:100]),
        "text": plain(words[:300]),
        "confirm": plain(yes[:30]),
        "deny": plain("Go back"),
        "style": "danger" if danger else "primary",
    }
