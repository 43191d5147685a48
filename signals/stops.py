"""Whether Firebreak is stopped, by what people said to it alone: one may stop it, two must resume it."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, Field

from signals.approvals import Verb

ORDERS = (Verb.STOP, Verb.RESUME, Verb.APPROVE_POLICY)
"""What is said to the executor itself, which hears and answers it without anybody between."""
PEOPLE_TO_RESUME = 2


class Stop(BaseModel, frozen=True):
    """One stop: nothing new is written until two people have resumed it."""

    uid: str
    """UID of the Command."""
    actor: str
    reason: str = ""
    at: datetime
    resumed_by: tuple[str, ...] = ()
    """Who has resumed it so far."""

    def __str__(self) -> str:
        """Return it in one sentence."""
        why = f": {self.reason}" if self.reason else ""
        return f"Firebreak was stopped by {self.actor}{why}"


class Halt(BaseModel, frozen=True):
    """Every stop and every resume that was heard, in whatever order. It only ever grows."""

    stops: dict[str, Stop] = Field(default_factory=dict)
    resumes: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Who resumed and by which Command, by the UID of the stop that they named."""

    def stopped(self, stop: Stop) -> "Halt":
        """Return it with one more stop."""
        return self.model_copy(update={"stops": {stop.uid: stop, **self.stops}})

    def resumed(self, uid: str, actor: str, command: str) -> "Halt":
        """Return it with one more resume; the same person twice is one person."""
        actors = {actor: command, **self.resumes.get(uid, {})}
        return self.model_copy(update={"resumes": {**self.resumes, uid: actors}})

    def counted(self, name: Callable[[str], str]) -> "Halt":
        """Return it with people by name in place of accounts; an empty name does not count."""
        counted = Halt(stops=self.stops)
        for uid, actors in self.resumes.items():
            for actor, command in actors.items():
                counted = counted.resumed(uid, name(actor), command) if name(actor) else counted
        return counted

    def joined(self, other: "Halt") -> "Halt":
        """Return what both know."""
        joined = self.model_copy(update={"stops": {**other.stops, **self.stops}})
        for uid, actors in other.resumes.items():
            for actor, command in actors.items():
                joined = joined.resumed(uid, actor, command)
        return joined

    @property
    def standing(self) -> Stop | None:
        """The latest stop that holds. A stop that two have resumed is lifted with all that were before it.

        The API server tells whole seconds: of one in the very same second nobody knows that it was before, so it
        holds until it is resumed itself.
        """
        lifted = [
            one for one in self.stops.values() if len(self.resumes.get(one.uid, ())) >= PEOPLE_TO_RESUME
        ]
        until = max((one.at for one in lifted), default=None)
        left = [one for one in self.stops.values() if one not in lifted]
        holding = [one for one in left if until is None or one.at >= until]
        latest = max(holding, key=lambda one: (one.at, one.uid), default=None)
        said = tuple(sorted(self.resumes.get(latest.uid, {}))) if latest else ()
        return latest and latest.model_copy(update={"resumed_by": said})
