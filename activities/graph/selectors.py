"""What a label selector means, said once: as requirements, asked of one object's labels or of all objects at once.

Asked of all, the answer is a bitset (a Python int, one bit for each object): hundreds of selectors over
thousands of objects cost microseconds each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Labels = Mapping[str, str]


class Requirement(NamedTuple):
    """One thing that labels must fulfil: the key is there (with one of `values`, where given), or it is not so."""

    key: str
    values: tuple[str, ...] | None
    fulfilled: bool

    def holds(self, labels: Labels) -> bool:
        """Return whether these labels fulfil it."""
        there = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return there is self.fulfilled


IMPOSSIBLE = Requirement("", (), True)
"""Fulfilled by nothing: an operator that nobody knows selects nothing."""


def requirements(selector: Mapping[str, Any]) -> Iterator[Requirement]:
    """Yield what a label selector requires; all of it must hold, and an empty one requires nothing."""
    for key, value in (selector.get("matchLabels") or {}).items():
        yield Requirement(key, (value,), True)
    for term in selector.get("matchExpressions") or ():
        key, values = term["key"], tuple(term.get("values") or ())
        match term["operator"]:
            case "In":
                yield Requirement(key, values, True)
            case "NotIn":
                yield Requirement(key, values, False)
            case "Exists":
                yield Requirement(key, None, True)
            case "DoesNotExist":
                yield Requirement(key, None, False)
            case _:
                yield IMPOSSIBLE


def matches(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Return whether a label selector selects these labels; an empty one selects all, None nothing."""
    return selector is not None and all(one.holds(labels) for one in requirements(selector))


class LabelIndex:
    """The labels of many objects, to be asked which of them a selector selects."""

    def __init__(self, objects: Sequence[Labels]) -> None:
        """Number the objects as they come."""
        self.everything = (1 << len(objects)) - 1
        self._keys: dict[str, int] = {}
        self._values: dict[tuple[str, str], int] = {}
        self._answers: dict[tuple[Requirement, ...], int] = {}
        for number, labels in enumerate(objects):
            bit = 1 << number
            for pair in labels.items():
                self._values[pair] = self._values.get(pair, 0) | bit
        for (key, _), bits in self._values.items():
            self._keys[key] = self._keys.get(key, 0) | bits

    def select(self, selector: Mapping[str, Any]) -> int:
        """Return the objects that a selector selects, as a bitset."""
        wanted = tuple(requirements(selector))
        if wanted not in self._answers:
            answer = self.everything
            for one in wanted:
                there = self._there(one)
                answer &= there if one.fulfilled else ~there
            self._answers[wanted] = answer
        return self._answers[wanted]

    def _there(self, one: Requirement) -> int:
        if one.values is None:
            return self._keys.get(one.key, 0)
        return union(self._values.get((one.key, value), 0) for value in one.values)


def union(sets: Iterable[int]) -> int:
    """Return the union of bitsets."""
    result = 0
    for bits in sets:
        result |= bits
    return result


def members(bits: int) -> Iterator[int]:
    """Yield the numbers in a bitset, in order."""
    text = bin(bits)[:1:-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)
