"""What an agent has seen of one thing lately, suspicious or not: the question, and the answer of one witness."""

from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from signals.entities import Entity

KEPT = timedelta(hours=2)
"""How long an agent remembers an observation."""
MOST = 500
"""Observations in one answer at most."""


class Observation(BaseModel, frozen=True):
    """One thing that was seen, `count` times between `at` and `until`. `summary` holds no secrets any more."""

    id: str
    """The same id twice is the same observation."""
    at: datetime
    until: datetime
    what: str
    """What it is called where it was seen: the rule of an alert, the verb and resource of a request."""
    summary: str = ""
    entities: tuple[Entity, ...]
    count: int = 1


class ObservationsQuery(BaseModel, frozen=True):
    """What was seen of this thing between two instants, both included?"""

    entity: Entity
    since: datetime
    until: datetime
    limit: int = Field(default=MOST, ge=1, le=MOST)


class Observations(BaseModel, frozen=True):
    """One agent's answer, oldest first. It says what it does not know: no observation is not "nothing happened"."""

    agent: str
    observations: tuple[Observation, ...] = ()
    complete_since: datetime | None = None
    """From here on the agent would remember; None where it cannot tell."""
    left_out: int = 0
    """Older observations that did not fit into the answer."""
