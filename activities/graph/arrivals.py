"""What a walk keeps of its way: how each thing was reached, what waits for its turn, and what must not be used."""

from dataclasses import dataclass
from typing import NamedTuple

from activities.graph.combined import Held
from activities.graph.edges import Certainty, Edge
from activities.graph.steps import Offer


class Arrival(NamedTuple):
    """How something was first reached: how sure, after how many steps, from where, by which offer."""

    certainty: Certainty
    hops: int
    source: int | None = None
    offer: Offer | None = None


class Waiting(NamedTuple):
    """An offer whose turn comes when all that is nearer is done."""

    source: int
    offer: Offer


@dataclass(frozen=True)
class Bans:
    """What the walk must not use: bindings by id, and steps as (edge, from, to)."""

    bindings: frozenset[str] = frozenset()
    steps: frozenset[tuple[Edge, str, str]] = frozenset()


NOTHING_BANNED = Bans()


@dataclass
class Copy:
    """Something that is already reached, held in another way: outside of its pod, or with more rights."""

    base: int
    held: tuple[Held, ...] = ()
