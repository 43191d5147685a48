"""What could be reached from an incident, as its investigation knows it: bounded, and with what is missing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel


class When(StrEnum):
    """Of which of the two moments something holds, where the moment of the first signal is known, too."""

    THEN = "then"
    """It could be reached at the first signal, and with nothing of ours done can no more."""
    NOW = "now"
    """It can be reached since: it was not at the first signal."""


class Reachable(BaseModel, frozen=True):
    """One thing that could be reached from the incident."""

    entity: str
    """As `firebreak reach` names it: `secret/shop/db`."""
    tier: str
    """`direct`, `conditional` or `unknown`."""
    hops: int
    """Steps to it."""
    steps: tuple[str, ...]
    """The steps by their kind, in order: `RUNS_AS`, `SECRET_READ`."""
    by: str
    """The object that grants the last step."""
    conditions: tuple[str, ...] = ()
    """What must be so, along the whole way."""
    still: str | None = None
    """Its tier with the plan carried out; null where it is no longer reached, or where there is no plan."""
    when: When | None = None
    """Null where it is reached at both moments, or where one of them is not known."""


class BlastRadius(BaseModel, frozen=True):
    """All that could be reached, before the plan and with it."""

    starts: tuple[str, ...] = ()
    """What was taken for compromised."""
    counts: dict[str, int]
    """How many things are reached, by tier."""
    cluster_admin: str | None = None
    """The tier in which everything is reached; null where it is not."""
    reached: tuple[Reachable, ...] = ()
    """The nearest of them; addresses outside are left out."""
    planned: bool = False
    """Whether a plan was taken into account."""
    left: dict[str, int] = {}
    """How many are still reached with the plan carried out, by tier."""
    at: datetime | None = None
    """The moment of the first signal, if the context store could say what was then; null: only now is known."""
    gone: int = 0
    """How many of them were reached only then."""
    gained: int = 0
    """How many of them are reached only since."""
    missing: tuple[str, ...] = ()
    """What is not known. While a line stands here, what is not listed is not safe, but unknown."""

    @property
    def closed(self) -> int:
        """Return how many things the plan takes away."""
        return sum(self.counts.values()) - self.gone - sum(self.left.values()) if self.planned else 0


NAMED = 10
"""Things that a sentence names; the rest is counted."""


def counted(counts: Mapping[str, int]) -> str:
    """Return how many things, by tier, in words."""
    return ", ".join(f"{count} {tier}" for tier, count in counts.items())


def moments(radius: BlastRadius) -> str:
    """Return for which moments it was asked, and what differs between them, in words."""
    gone, gained = radius.gone or "none", radius.gained or "none"
    return (
        f"That is as it was at {radius.at:%H:%M:%S} UTC, at the first signal, and as it is now:"
        f" {gained} came since, {gone} went."
    )


def told(radius: BlastRadius) -> Iterator[str]:
    """Yield what could be reached, and what of it the plan takes away, as sentences."""
    if radius.cluster_admin:
        yield f"From there everything could be reached: cluster-admin, {radius.cluster_admin}."
    if radius.counts:
        yield f"From there an attacker could reach {counted(radius.counts)}."
    if radius.at:
        yield moments(radius)
    if radius.planned:
        left = counted(radius.left) if radius.left else "none of it, as far as is known"
        yield f"With the plan carried out: {left}."


def still(radius: BlastRadius) -> Iterator[str]:
    """Yield what is reached in spite of the plan, and what is not known."""
    left = [one for one in radius.reached if one.still] if radius.planned else []
    for one in left[:NAMED]:
        yield f"{one.entity} can still be reached, {one.still}: {' → '.join(one.steps)}, by {one.by}"
    if (more := sum(radius.left.values()) - NAMED) > 0:
        yield f"{more} more things can still be reached"
    yield from (f"what could be reached may be more: {line}" for line in radius.missing[:NAMED])
