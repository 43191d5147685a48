"""Does what a stack says whose time was up two minutes ago, because nobody else has: by labels and expiry alone.

It releases; or, where silence must not let an intruder go, it holds on by the hour, has people paged, and ends that
only where the policy says so.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from activities import expiry, release
from activities.ports import Cluster
from activities.records import Records
from activities.remains import Standing
from signals.decisions import OnExpiry
from signals.errors import Conflict, FirebreakError, Unavailable
from signals.plans import WriteKind
from signals.policy import AfterExtensions, Policy

GRACE = timedelta(minutes=2)
"""How long the owner of a stack has to act on its expiry before the sweeper does."""

log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Who answers for a stack, as the sweeper needs it."""

    async def tell(self, incident: str) -> None:
        """Tell it that the world around its stack was changed."""

    async def page(self, incident: str, text: str) -> None:
        """Have people told that nobody answers for it."""

    async def ensure(self, incident: str, action_ids: list[str]) -> None:
        """Make sure that there is one."""


class Overdue:
    """What becomes of stacks that nobody answers for."""

    def __init__(
        self,
        cluster: Cluster,
        records: Records,
        owner: Owner,
        policy: Policy,
        now: Callable[[], datetime],
        told: Callable[[str, list[str]], Awaitable[None]] | None,
    ) -> None:
        """Put back in this cluster, or hold on, as the policy says; tell `told` what was done."""
        self._cluster = cluster
        self._records = records
        self._owner = owner
        self._policy = policy
        self._now = now
        self._told = told

    async def look(self, case: str, stack: list[Standing]) -> None:
        """Do what a stack says whose time was up two minutes ago, if nobody has."""
        expiries = [one.expires_at for one in stack if one.expires_at]
        if not expiries or max(expiries) + GRACE > self._now():
            return
        namespaces = sorted({one.namespace for one in stack})
        lives = any(write.kind is WriteKind.MARK for one in stack for write in one.writes)
        asks = any(one.on_expiry not in (None, OnExpiry.RELEASE) for one in stack)
        if asks and lives and not await self._let_go(stack):
            await self._hold_on(case, stack)
            return
        if not await self._claim(stack):
            return
        log.error(
            "nobody put this back when its time was up; the sweeper does", case=case, namespaces=namespaces
        )
        results = await release.release(self._cluster, case, namespaces)
        for result in results:
            if not result.done:
                log.error(
                    "something could not be put back", case=case, write=result.write, reason=result.note
                )
        if self._told:
            await self._told(case, [result.write for result in results if result.done])

    async def _let_go(self, stack: Sequence[Standing]) -> bool:
        """Return whether silence has held for so long that the policy puts it back."""
        if self._policy.after_extensions is not AfterExtensions.RELEASE:
            return False
        found = [await self._records.find(one.id) for one in stack if one.id]
        known = [receipt for receipt in found if receipt is not None and receipt.expires_at]
        left = max((self._policy.extensions - receipt.extended for receipt in known), default=0)
        recorded = max((receipt.expires_at for receipt in known if receipt.expires_at), default=None)
        held = timedelta(seconds=max(0, left) * self._policy.isolate_ttl_seconds)
        return recorded is None or recorded + held < self._now()

    async def _hold_on(self, case: str, stack: list[Standing]) -> None:
        """Hold what nobody owns any more: an intruder is not let go because nobody answered."""
        log.error("nobody answers for this containment; it is held on, and a person must decide", case=case)
        until = self._now() + timedelta(hours=1)
        for one in stack:
            try:
                await expiry.extend(self._cluster, one.writes, until)
            except FirebreakError as error:
                log.warning("a hold was not extended", case=case, action=one.action, error=str(error))
        if self._told:
            await self._told(case, [f"held on until {until:%Y-%m-%d %H:%M} UTC: nobody answers for it"])
        for incident in sorted({one.incident for one in stack if one.incident}):
            try:
                await self._owner.page(incident, "nobody answers for this containment; it is held on hourly")
            except Unavailable as error:
                log.error("nobody can be paged about a containment", case=case, error=str(error))

    async def _claim(self, stack: list[Standing]) -> bool:
        """Say that a stack is being released; False if somebody extended it since it was read."""
        try:
            for one in reversed(stack):
                await expiry.claim(self._cluster, one.writes)
        except Conflict as error:
            log.info("somebody extended this in time", error=str(error))
            return False
        return True
