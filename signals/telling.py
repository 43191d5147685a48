"""What an operator asks the liaison about its channels, and how each of them stands."""

from pydantic import BaseModel


class Question(BaseModel, frozen=True):
    """How do the channels stand?"""

    test: str = ""
    """The channel that is sent a harmless page first."""


class ChannelState(BaseModel, frozen=True):
    """How one channel stands."""

    name: str
    open: bool
    """Whether people can be reached by it now."""
    options: str
    """What it is told, and when."""
    missing: tuple[str, ...] = ()
    """Settings without which it is off."""
    delivered: bool | None = None
    """Of a test: whether it took the page."""
    said: str = ""
    """Of a test: what came back."""
