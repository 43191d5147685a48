"""Where steps lead: to many at once as a bitset, or to few as numbers, whatever is smaller.

What a namespace or a pod leads to is few; a bitset of the whole cluster for each of them would fill the memory.
"""

from collections.abc import Iterable, Sequence

from activities.graph.selectors import members

Targets = int | tuple[int, ...]


def listed(targets: Targets) -> Iterable[int]:
    """Return the numbers, in order where they are many."""
    return members(targets) if isinstance(targets, int) else targets


def joined(parts: Iterable[Targets]) -> Targets:
    """Return all of them together; few remain few."""
    broad, few = 0, dict[int, None]()
    for part in parts:
        if isinstance(part, int):
            broad |= part
        else:
            few |= dict.fromkeys(part)
    return broad | bitset([*few]) if broad else tuple(few)


def without(targets: Targets, others: Targets) -> Targets:
    """Return those that are not among others."""
    if isinstance(targets, int):
        return targets & ~(others if isinstance(others, int) else bitset(others))
    left = {*listed(others)}
    return tuple(number for number in targets if number not in left)


def bitset(numbers: Sequence[int]) -> int:
    """Return some numbers, of which there may be many, as a bitset."""
    if not numbers:
        return 0
    low = min(numbers)
    room = bytearray((max(numbers) - low) // 8 + 1)
    for number in numbers:
        room[(number - low) >> 3] |= 1 << ((number - low) & 7)
    return int.from_bytes(room, "little") << low
