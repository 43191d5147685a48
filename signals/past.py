"""Questions to the context store over NATS, and its answers: what the cluster was, and what is kept of it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class StateQuery(BaseModel, frozen=True):
    """What was at a moment? Of all kinds and namespaces, where none are named; page by page."""

    at: datetime
    kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    after: int = Field(default=0, ge=0)
    """`next` of the page before."""


class StateAnswer(BaseModel, frozen=True):
    """One page of a state. `missing` and `uncertain` say what is not sure, and stand on every page."""

    at: datetime
    objects: int
    """How many there are in all kinds and namespaces."""
    uncertain: int
    missing: tuple[str, ...] = ()
    items: tuple[dict[str, Any], ...] = ()
    next: int | None = None
    """Where the next page begins; None on the last."""


class SliceQuery(BaseModel, frozen=True):
    """Keep what an incident needs: all versions of an interval, of some namespaces and of what has none."""

    incident: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,127}$")
    since: datetime
    until: datetime
    namespaces: tuple[str, ...]


class SliceAnswer(BaseModel, frozen=True):
    """What was kept. `head` proves the file: whoever has it knows whether a line was changed."""

    versions: int
    head: str
    missing: tuple[str, ...] = ()
