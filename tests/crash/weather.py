"""What goes wrong between our hands and the API server in a trial, and when: drawn from the trial's own seed."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.crash.kills import APPROVAL, RESPONSE, UNDO


class Fault(StrEnum):
    """One way in which an API server, or what stands before it, fails a request."""

    BUSY = "429"
    BUSY_UNTIL = "429 with Retry-After"
    BROKEN = "500"
    BAD_GATEWAY = "502"
    AWAY = "503"
    RESET = "connection reset after the write"
    SILENT = "no answer after the write"
    STALE = "stale reads"
    CONFLICT = "conflicts"


FIRST, LAST = 0.0, 1.0
"""Seconds after the beginning of a phase between which faults begin."""
SHORTEST, LONGEST = 1.0, 4.0
"""Seconds that faults last."""
SILENCES = 2
"""How many answers never come in one trial: each keeps its sender waiting until it gives up, for 10 s."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What fails in a trial: which faults, from when on, for how long, and how many of 100 requests."""

    faults: tuple[Fault, ...]
    phase: str
    delay: float
    seconds: float
    percent: int

    def __str__(self) -> str:
        """Return it as a person would say it."""
        what = " and ".join(self.faults)
        when = f"for {self.seconds:.1f} s, from {self.delay:.2f} s into the {self.phase}"
        return f"{what} to {self.percent} % of requests {when}"


def forecast(draw: random.Random) -> Weather:
    """Draw what fails: two thirds of the time one fault alone, else a mixture."""
    kinds = tuple(Fault)
    alone = draw.random() < 2 / 3
    chosen = (draw.choice(kinds),) if alone else tuple(draw.sample(kinds, draw.randint(2, 4)))
    return Weather(
        faults=chosen,
        phase=draw.choice((RESPONSE, RESPONSE, APPROVAL, UNDO)),
        delay=draw.uniform(FIRST, LAST),
        seconds=draw.uniform(SHORTEST, LONGEST),
        percent=draw.choice((20, 50, 90)),
    )
