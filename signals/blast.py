"""What could be reached from an incident, as its investigation knows it: bounded, and with what is missing."""

from pydantic import BaseModel


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
    missing: tuple[str, ...] = ()
    """What is not known. While a line stands here, what is not listed is not safe, but unknown."""

    @property
    def closed(self) -> int:
        """Return how many things the plan takes away."""
        return sum(self.counts.values()) - sum(self.left.values()) if self.planned else 0
