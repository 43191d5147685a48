"""How long things take, told while they last."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step of a start. Seconds; `estimate` is the whole length expected, None where nobody knows."""

    phase: str
    elapsed: float
    estimate: float | None = None


OnProgress = Callable[[Progress], None]


def unheard(progress: Progress) -> None:
    """Hear of progress and do nothing."""
