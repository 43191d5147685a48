"""Text that an attacker may have written, shown so that it can do nothing but be read.

Names, command lines and annotations reach terminals, pages and Temporal's UI. There they must not move a
cursor, reorder what stands beside them, hide, or become a link. Nothing is dropped in silence: what cannot be
shown is replaced by something that can be seen.
"""

import re
import unicodedata

LIMIT = 500
"""Characters shown of one text when the caller does not say."""

_CUT = "…"
_MARKS = 3
"""Combining marks that may follow one another; living scripts need no more, stacks of them hide lines."""

_UNSEEN = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC})
"""Characters that show nothing although Unicode calls them letters, marks or symbols."""
_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors: invisible, and enough of them to carry a hidden message."""
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, formats (bidirectional, zero width, tags), surrogates, private, unassigned, line separators."""

_PUNCTUATION = re.compile(r"([!#$&()*+\-.:<>\[\\\]^_`{|}~])")
"""What a backslash makes literal in CommonMark and in the renderer of Temporal's UI alike. That one shows the
backslash before any other, so the rest, which means nothing inside a line, stays bare."""
_FRACTION = re.compile(r"(?<=\d)/(?=\d)")
_SCHEME = re.compile(r":(?=//)")
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_SPACES = re.compile(r" {2,}")


def terminal(text: str, limit: int = LIMIT) -> str:
    """Return `text` on one line, without anything that a terminal, a log or a reader's eye would obey.

    At most `limit` characters are returned; a cut is marked with `…`.
    """
    if limit < 1:
        return ""
    shown: list[str] = []
    size = marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        piece = _visible(character) if marks <= _MARKS else _named(character)
        if size + len(piece) > limit:
            return _cut(shown, size, limit)
        shown.append(piece)
        size += len(piece)
    return "".join(shown)


def markdown(text: str, limit: int = LIMIT) -> str:
    r"""Return `text` as Markdown that renders to these very characters: no link, image, HTML or mention.

    It does so in CommonMark and in Temporal's UI, which knows fewer escapes and curls quotes. Addresses are
    broken up as well (`https[:]//`, `www[.]`, `[@]`), since GitHub's dialect links them after unescaping.
    At most `limit` characters of `text` are seen; what is returned is at most six times as long.
    """
    line = _SPACES.sub(" ", terminal(text, limit)).strip()
    broken = _WWW.sub(r"\1[.]", _SCHEME.sub("[:]", line)).replace("@", "[@]")
    escaped = _PUNCTUATION.sub(r"\\\1", broken)
    return _FRACTION.sub("&#47;", escaped).replace("=", "&#61;")


def literal(text: str, limit: int = LIMIT) -> str:
    """Return `text` for a place that shows characters as they are, and makes links of addresses all the same.

    Chat programs do: addresses and mentions are broken up (`https[:]//`, `www[.]`, `[@]`). At most `limit`
    characters are returned.
    """
    broken = _WWW.sub(r"\1[.]", _SCHEME.sub("[:]", _SPACES.sub(" ", terminal(text, limit))))
    return terminal(broken.replace("@", "[@]").strip(), limit)


def _visible(character: str) -> str:
    code = ord(character)
    if " " <= character <= "~":
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode draws each control: ␛ for escape
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) == "Zs":
        return " "
    return _named(character) if _harmful(character, code) else character


def _harmful(character: str, code: int) -> bool:
    return (
        unicodedata.category(character) in _HARMFUL
        or code in _UNSEEN
        or any(code in selectors for selectors in _SELECTORS)
    )


def _named(character: str) -> str:
    return f"<U+{ord(character):04X}>"


def _cut(shown: list[str], size: int, limit: int) -> str:
    while size > limit - 1:
        size -= len(shown.pop())
    return "".join((*shown, _CUT))
