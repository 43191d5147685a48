"""Dead letters: what an agent could not handle, kept with the reason, and whether it was put back."""

from datetime import datetime

from pydantic import BaseModel, Field

from signals.errors import BadInput


class DeadLetter(BaseModel, frozen=True):
    """One dead letter. Its texts are whatever the sender wrote."""

    id: str
    """`agent/number`: what `show` and `replay` are told."""
    agent: str
    """Who could not handle it."""
    sequence: int
    at: datetime
    source: str
    """Where it came from: `falco`, `feed`, `suspicion`, `threats.<agent>`, or `given up` by a consumer."""
    reason: str
    size: int
    """Bytes of its payload."""
    came_on: str = ""
    """The subject of the stream from which it came; empty where it came from none."""
    stream: str = ""
    """That stream."""
    place: int | None = None
    """Its sequence there, where the message was given up and still stands in it."""
    replayed_at: datetime | None = None


class Letter(BaseModel, frozen=True):
    """One dead letter with its content."""

    letter: DeadLetter
    headers: dict[str, str] = Field(default_factory=dict)
    payload: str
    """As text; what is no UTF-8 is replaced."""


def place_of(name: str) -> tuple[str, int]:
    """Read `agent/number`.

    Raises:
        BadInput: it is something else.
    """
    agent, _, number = name.partition("/")
    if not agent or not number.isdigit():
        raise BadInput(
            f"{name!r} names no dead letter; it is AGENT/NUMBER, as `firebreak deadletters list` shows"
        )
    return agent, int(number)
