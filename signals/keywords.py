"""Keyword lists as Temporal's visibility store takes them."""

from collections.abc import Iterable

KEYWORD_LIST_BYTES = 1500
"""Above 2,048 bytes in one KeywordList the Temporal server ends the workflow."""


def keyword_list(values: Iterable[str]) -> list[str]:
    """Return what fits into one KeywordList, with a count of what did not.

    The limit counts UTF-8 bytes over all values (`KEYWORD_LIST_BYTES`).
    """
    distinct = sorted(set(values))
    kept: list[str] = []
    left = KEYWORD_LIST_BYTES - 32
    for position, value in enumerate(distinct):
        left -= len(value.encode("utf-8", "replace"))
        if left < 0:
            return [*kept, f"+{len(distinct) - position} more"]
        kept.append(value)
    return kept
