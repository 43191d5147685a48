"""A command of a person counts once, for one thing, and not for long.

Temporal keeps every signed command in its histories, for whoever can read them. So the executor remembers which it
has obeyed and for what: an attempt that comes again is the same thing once more; anything else is a replay. Time is
the executor's clock, against the API server's creation time of the Command.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import BaseModel

from activities.ports import KeyValue
from signals.approvals import Approval, Verb
from signals.errors import Conflict, Refused
from signals.policy import Policy

GRACE = timedelta(minutes=5)
"""How much later than the policy's `approval_seconds` a command may come: queues, restarts, clocks."""
AGAIN = timedelta(hours=24)
"""How long the attempts to do what was said may go on."""


class Spent(BaseModel, frozen=True):
    """One command that was used: for which incident, for what, and about which things."""

    incident: str
    verb: Verb
    purpose: str
    about: tuple[str, ...]
    at: datetime
    until: datetime | None = None
    """The expiry that it gave."""


class Spending:
    """The commands that were used, in the executor's own bucket."""

    def __init__(self, bucket: KeyValue, policy: Policy, now: Callable[[], datetime]) -> None:
        """Keep them in this bucket; the policy says how long a question is open."""
        self._bucket = bucket
        self._now = now
        self._fresh = timedelta(seconds=policy.approval_seconds) + GRACE

    async def spend(
        self, approval: Approval, purpose: str, about: tuple[str, ...], until: datetime | None = None
    ) -> Spent:
        """Use a proved command, and those that seconded it, for one purpose; return what it was used for.

        That may be by an earlier attempt.

        Raises:
            Refused: it is too old, or was used for something else.
            Unavailable: it could not be remembered, so it may not be used.
        """
        for other in approval.seconded:
            alone = {"id": other.command, "said_at": other.said_at, "seconded": ()}
            await self.spend(approval.model_copy(update=alone), purpose, about, until)
        key = f"command.{hashlib.sha256(approval.id.encode()).hexdigest()[:32]}"
        known = await self._known(key)
        if known is None:
            self._check_age(approval, self._fresh)
            known = Spent(
                incident=approval.incident,
                verb=approval.verb,
                purpose=purpose,
                about=about,
                at=self._now(),
                until=until,
            )
            try:
                await self._bucket.create(key, known.model_dump_json().encode())
            except Conflict:
                known = await self._known(key) or known
        self._check_age(approval, AGAIN)
        same = (known.incident, known.verb, known.purpose) == (approval.incident, approval.verb, purpose)
        if not same or not set(about) <= set(known.about):
            raise Refused("this command was used already, for something else: say it again")
        return known

    async def _known(self, key: str) -> Spent | None:
        entry = await self._bucket.get(key)
        return Spent.model_validate_json(entry.value) if entry else None

    def _check_age(self, approval: Approval, bound: timedelta) -> None:
        age = self._now() - approval.said_at
        if age > bound:
            raise Refused(f"this was said {age.total_seconds() / 60:.0f} minutes ago: say it again")
