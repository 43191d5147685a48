"""Who has said the same so far, where it takes several: kept durably, counted by person, and not for long."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel

from activities.ports import KeyValue
from signals.approvals import Approval, Voice
from signals.errors import Conflict


class Gathered(BaseModel, frozen=True):
    """The voices for one decision. `complete` is the Command with which they were enough."""

    voices: tuple[Voice, ...] = ()
    complete: str = ""

    def joined_by(self, mine: Voice, need: int, fresh: timedelta) -> "Gathered":
        """Return it with one more voice; what is complete is used up, but for the Command that completed it."""
        if self.complete == mine.command:
            return self
        before = () if self.complete else self.voices
        others = tuple(
            voice for voice in before if voice.person != mine.person and mine.said_at - voice.said_at <= fresh
        )
        voices = (*others, mine)
        return Gathered(voices=voices, complete=mine.command if len(voices) >= need else "")


class Gathering:
    """All decisions that wait for another person, in the liaison's bucket."""

    def __init__(self, bucket: KeyValue, fresh: timedelta) -> None:
        """Keep them in this bucket; a voice counts for so long."""
        self._bucket = bucket
        self._fresh = fresh

    async def join(self, approval: Approval, about: Sequence[str], need: int) -> Gathered:
        """Add a voice to those who said the same about the same; return all of them.

        Raises:
            Unavailable: the bucket does not answer; the same Command may come again.
        """
        key = f"voices.{_digest(approval, about)}"
        while True:
            entry = await self._bucket.get(key)
            known = Gathered.model_validate_json(entry.value) if entry else Gathered()
            joined = known.joined_by(approval.voices[0], need, self._fresh)
            if joined == known:
                return joined
            text = joined.model_dump_json().encode()
            try:
                if entry is None:
                    await self._bucket.create(key, text)
                else:
                    await self._bucket.update(key, text, entry.revision)
            except Conflict:
                continue
            return joined

    async def used(self, click: str, command: str) -> bool:
        """Return whether a click was another Command already: somebody deleted that and played the click again."""
        key = f"click.{hashlib.sha256(click.encode()).hexdigest()[:32]}"
        try:
            await self._bucket.create(key, command.encode())
        except Conflict:
            entry = await self._bucket.get(key)
            return entry is None or entry.value.decode() != command
        return False


_WHO_AND_WHY = {
    "id", "actor", "person", "role", "groups", "authenticated", "authenticated_at", "via", "reason", "said_at",
    "seconded", "signature", "plan_hash", "target_uids",
}  # fmt: skip
"""What two people may differ in and say the same all the same; what plan and targets they saw is asked before."""


def _digest(approval: Approval, about: Sequence[str]) -> str:
    """Return what one decision is kept under: everything that it says, but who and why."""
    said = approval.model_dump_json(exclude=_WHO_AND_WHY)
    return hashlib.sha256("\n".join((said, *about)).encode()).hexdigest()[:32]
