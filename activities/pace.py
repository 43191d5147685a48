"""How busy it is, and how long what follows a first write waits for that: the first writes of a burst go first.

Measured on two cores: a first write costs a tenth of what follows it. Begun at once, what follows the first alerts
of a burst takes the time from the first writes of the rest.
"""

import hashlib
from datetime import datetime, timedelta

AT_EASE = 2
"""Incidents within a second that nothing waits for."""
WITHIN = timedelta(seconds=1)
BURST = timedelta(seconds=10)
"""What came within this is one burst."""
FOR_EACH_NOW = 2.0
"""Seconds that are waited for each incident of the last second: more of them are to be expected."""
MOST_EXPECTED = 10.0
FOR_EACH_WRITE = 0.04
"""Seconds that one first write takes in a burst."""
FOR_EACH_FOLLOWED = 0.15
"""Seconds that what follows one first write takes: they begin one after another."""
MOST_WRITING = 20.0
MOST_SPREAD = 10.0
"""Nothing waits longer than the last two together."""


class Pace:
    """Counts incidents as they are fed, before any of them is judged."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._fed: dict[str, datetime] = {}

    def fed(self, incident: str, now: datetime) -> None:
        """Count an incident of which something new is known: once in a burst, however often it is fed."""
        self._fed = {known: at for known, at in self._fed.items() if now - at <= BURST}
        self._fed.setdefault(incident, now)

    def wait(self, incident: str, now: datetime) -> float:
        """Return for how many seconds what follows an incident's first write waits: not at all when at ease.

        Where in its turn it begins is told by a hash of its id, so that replicas need not agree about it.
        """
        self.fed(incident, now)
        of_now = sum(now - at < WITHIN for at in self._fed.values())
        if of_now <= AT_EASE:
            return 0.0
        burst = len(self._fed)
        writing = max(min(FOR_EACH_NOW * of_now, MOST_EXPECTED), min(FOR_EACH_WRITE * burst, MOST_WRITING))
        share = int(hashlib.sha256(incident.encode()).hexdigest()[:4], 16) / 0xFFFF
        return writing + share * min(FOR_EACH_FOLLOWED * burst, MOST_SPREAD)
