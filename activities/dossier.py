"""What the executor itself knows of one incident: every action it ever took up for it, and what it asked about.

A workflow may name a part of a stack, or ask for the same thing under another number. Who is asked to put back, or
to write again, goes by this instead.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import BaseModel, Field

from activities.ports import KeyValue
from signals.decisions import PlannedAction
from signals.errors import Conflict


class Dossier(BaseModel, frozen=True):
    """One incident."""

    incident: str
    actions: tuple[str, ...] = ()
    """Ids of all actions that were ever put on record for it."""
    asked: dict[str, datetime] = Field(default_factory=dict)
    """What was left to a person, and when the latest event behind it had been accepted."""

    def with_more(self, actions: Iterable[str], asked: Mapping[str, datetime]) -> "Dossier":
        """Return it with more in it; the later moment of what was asked twice."""
        known = dict.fromkeys((*self.actions, *actions))
        later = {key: max(at, self.asked.get(key, at)) for key, at in asked.items()}
        return self.model_copy(update={"actions": tuple(known), "asked": {**self.asked, **later}})


def question(action: PlannedAction) -> str:
    """Return what an action is about, whatever its number: type, peer and targets."""
    peer = action.peer.model_dump_json() if action.peer else ""
    about = "|".join((action.type, peer, *sorted(target.key for target in action.targets)))
    return hashlib.sha256(about.encode()).hexdigest()[:24]


class Dossiers:
    """All of them, in the executor's own bucket."""

    def __init__(self, bucket: KeyValue) -> None:
        """Keep them in this bucket."""
        self._bucket = bucket

    async def of(self, incident: str) -> Dossier:
        """Return what is known of an incident; an empty one where nothing is."""
        entry = await self._bucket.get(_key(incident))
        return Dossier.model_validate_json(entry.value) if entry else Dossier(incident=incident)

    async def add(
        self, incident: str, actions: Iterable[str] = (), asked: Mapping[str, datetime] | None = None
    ) -> None:
        """Remember more about an incident; what is known already is not written again."""
        more = tuple(actions)
        while True:
            entry = await self._bucket.get(_key(incident))
            known = Dossier.model_validate_json(entry.value) if entry else Dossier(incident=incident)
            new = known.with_more(more, asked or {})
            if new == known:
                return
            value = new.model_dump_json().encode()
            try:
                if entry is None:
                    await self._bucket.create(_key(incident), value)
                else:
                    await self._bucket.update(_key(incident), value, entry.revision)
            except Conflict:
                continue
            return


def _key(incident: str) -> str:
    return f"case.{hashlib.sha256(incident.encode()).hexdigest()[:24]}"
