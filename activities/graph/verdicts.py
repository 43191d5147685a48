"""What a pod's policies say to everybody at once: who is parted from whom, by which ports.

All who can be met are bits of one number. They begin as one part; each rule splits parts, and those of one mind
stay together. So a thousand pods cost what the few different answers among them cost.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from activities.graph.tiers import Effect, Policy, Tier


@dataclass(frozen=True)
class Piece:
    """What one rule does: to whom (bitset), on which ports (bitset)."""

    peers: int
    ports: int
    effect: Effect
    rule: int


class Ruling(NamedTuple):
    """A policy and what it says to one pod in one direction, in order."""

    policy: Policy
    pieces: tuple[Piece, ...]


class Answer(NamedTuple):
    """Ports that are open, and those of which it cannot be said."""

    allow: int
    unknown: int


class State(NamedTuple):
    """Ports by what was decided so far; `passed` holds to the end of a tier, `maybe` while policies add up."""

    allow: int = 0
    deny: int = 0
    unknown: int = 0
    passed: int = 0
    maybe: int = 0

    @property
    def decided(self) -> int:
        """Ports about which this tier decides no more."""
        return self.allow | self.deny | self.unknown | self.passed


Parts = dict[State, int]


def judge(rulings: Sequence[Ruling], everybody: int, ports: int) -> dict[Answer, int]:
    """Return who is given which answer; `rulings` are in the order in which policies decide."""
    parts: Parts = {State(): everybody}
    for tier, in_tier in groupby(rulings, key=lambda ruling: ruling.policy.tier):
        if tier is Tier.NAMESPACED:
            adding = list(in_tier)
            if any(ruling.policy.closes for ruling in adding):
                parts = _add_up(parts, adding, ports)
        else:
            for _, equals in groupby(in_tier, key=lambda ruling: ruling.policy.priority):
                parts = _in_order(parts, [ruling.pieces for ruling in equals], everybody)
            parts = _each(parts, lambda state: state._replace(passed=0))
    answers: dict[Answer, int] = {}
    for state, held in parts.items():
        answer = Answer(ports & ~(state.deny | state.unknown), state.unknown)
        answers[answer] = answers.get(answer, 0) | held
    return answers


def _split(parts: Parts, bits: int, change: Callable[[State], State]) -> Parts:
    """Return the parts after a change that only some are subject to."""
    found: Parts = {}
    for state, held in parts.items():
        inside = held & bits
        if inside:
            changed = change(state)
            found[changed] = found.get(changed, 0) | inside
        if held != inside:
            found[state] = found.get(state, 0) | (held ^ inside)
    return found


def _each(parts: Parts, change: Callable[[State], State]) -> Parts:
    return _split(parts, -1, change)


def _in_order(parts: Parts, equals: Sequence[Sequence[Piece]], everybody: int) -> Parts:
    """Let the first rule that matches decide; policies of equal priority must agree, else nobody knows."""
    if len(equals) == 1:
        return _decide(parts, equals[0])
    together = _decide({State(): everybody}, equals[0])
    for pieces in equals[1:]:
        together = _cross(together, _decide({State(): everybody}, pieces), _agree)
    return _cross(parts, together, _then)


def _decide(parts: Parts, pieces: Iterable[Piece]) -> Parts:
    for piece in pieces:
        parts = _split(parts, piece.peers, lambda state, piece=piece: _apply(state, piece))  # type: ignore[misc] # bound now
    return parts


def _apply(state: State, piece: Piece) -> State:
    free = piece.ports & ~state.decided
    match piece.effect:
        case Effect.ALLOW:
            return state._replace(allow=state.allow | free)
        case Effect.DENY:
            return state._replace(deny=state.deny | free)
        case Effect.SKIP:
            return state._replace(passed=state.passed | free)
        case Effect.UNKNOWN:
            return state._replace(unknown=state.unknown | free)


def _cross(some: Parts, others: Parts, join: Callable[[State, State], State]) -> Parts:
    found: Parts = {}
    for a, held in some.items():
        for b, also in others.items():
            if both := held & also:
                state = join(a, b)
                found[state] = found.get(state, 0) | both
    return found


def _agree(a: State, b: State) -> State:
    same = a.allow & b.allow | a.deny & b.deny | a.passed & b.passed
    torn = a.decided & b.decided & ~same
    return State(
        (a.allow | b.allow) & ~torn,
        (a.deny | b.deny) & ~torn,
        a.unknown | b.unknown | torn,
        (a.passed | b.passed) & ~torn,
    )


def _then(before: State, after: State) -> State:
    free = ~before.decided
    return State(
        before.allow | after.allow & free,
        before.deny | after.deny & free,
        before.unknown | after.unknown & free,
        before.passed | after.passed & free,
    )


def _add_up(parts: Parts, rulings: Iterable[Ruling], ports: int) -> Parts:
    """Allow what any policy allows, and deny the rest."""
    for ruling in rulings:
        for piece in ruling.pieces:
            parts = _split(parts, piece.peers, lambda state, piece=piece: _open(state, piece))  # type: ignore[misc] # bound now
    return _each(parts, lambda state: _close(state, ports))


def _open(state: State, piece: Piece) -> State:
    free = piece.ports & ~(state.deny | state.unknown)
    if piece.effect is Effect.ALLOW:
        return state._replace(allow=state.allow | free)
    return state._replace(maybe=state.maybe | free)


def _close(state: State, ports: int) -> State:
    unknown = state.unknown | state.maybe & ~state.allow
    return State(state.allow, ports & ~(state.allow | unknown), unknown)


class Reason(NamedTuple):
    """A policy that decided, and its rule; None where it has no rule that matches."""

    policy: Policy
    rule: int | None


def reasons(rulings: Sequence[Ruling], peer: int, port: int) -> list[Reason]:
    """Return who decided about one peer and one port; nobody where no policy did."""
    for tier, some in groupby(rulings, key=lambda ruling: ruling.policy.tier):
        in_tier = list(some)
        if tier is Tier.NAMESPACED and not any(ruling.policy.closes for ruling in in_tier):
            continue
        found = (_adding if tier is Tier.NAMESPACED else _deciding)(in_tier, peer, port)
        if found:
            return found
    return []


def _matching(ruling: Ruling, peer: int, port: int) -> Iterator[Piece]:
    return (piece for piece in ruling.pieces if piece.peers & peer and piece.ports & port)


def _deciding(rulings: Sequence[Ruling], peer: int, port: int) -> list[Reason]:
    for _, equals in groupby(rulings, key=lambda ruling: ruling.policy.priority):
        first = [(ruling, piece) for ruling in equals for piece in [*_matching(ruling, peer, port)][:1]]
        if first:
            passed = all(piece.effect is Effect.SKIP for _, piece in first)
            return [] if passed else [Reason(ruling.policy, piece.rule) for ruling, piece in first]
    return []


def _adding(rulings: Sequence[Ruling], peer: int, port: int) -> list[Reason]:
    matching = [(ruling, piece) for ruling in rulings for piece in _matching(ruling, peer, port)]
    for effect in (Effect.ALLOW, Effect.UNKNOWN):
        found = [(ruling, piece.rule) for ruling, piece in matching if piece.effect is effect]
        if found:
            return [Reason(ruling.policy, rule) for ruling, rule in _once(found)]
    return [Reason(ruling.policy, None) for ruling in rulings]


def _once(found: Iterable[tuple[Ruling, int]]) -> Iterator[tuple[Ruling, int]]:
    return (first for _, (first, *_) in groupby(found, key=lambda one: (id(one[0]), one[1])))
