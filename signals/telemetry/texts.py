"""Foreign text made harmless: no control, direction or surrogate characters, and never longer than it should be."""

import re

CUT = "[...]"
"""How falcosidekick, and we, mark a text that was cut."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_SPACES = "\t\n\r\x0b\x0c\u2028\u2029"


def clean(text: str, limit: int) -> str:
    """Return text without control, direction and surrogate characters, at most `limit` long.

    A text that is cut loses its last word, so that no half of a secret stays behind unrecognised.
    """
    if not text.isascii() or not text.isprintable():
        text = _CONTROL.sub(lambda found: " " if found[0] in _SPACES else "\ufffd", text)
    if len(text) <= limit:
        return text
    kept = text[: limit - len(CUT)]
    return (kept.rpartition(" ")[0] or kept) + CUT
