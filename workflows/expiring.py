"""The clock of a stack: when its time is up, who is asked, and what silence means."""

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.decisions import OnExpiry
    from signals.incidents import WaitingFor
    from signals.pages import PageKind
    from signals.receipts import ActionState
    from signals.requests import OVERDUE_SECONDS, Cause
    from signals.threats import Severity

from workflows.keeping import Keeping


class Expiring(Keeping):
    """The half of a stack's owner that looks at the clock."""

    _extensions_left: int
    _warned: datetime | None
    """The expiry of which people were told beforehand."""

    @property
    def _expires_at(self) -> datetime:
        """The stack's expiry is the latest of its actions': they were laid one upon the other."""
        return max(receipt.expires_at or workflow.now() for receipt in self._standing)

    def _wake_at(self) -> datetime | None:
        """Return when the clock needs us: early enough to ask or to warn; never for a drift."""
        if any(receipt.state is ActionState.DRIFTED for receipt in self._standing) or not self._standing:
            return None
        if self._gate.waiting is not None:
            return self._gate.waiting.deadline
        early = self._given.approval_seconds if self._stays() else self._given.lead_seconds
        if self._warned == self._expires_at:
            early = 0
        return max(self._expires_at - timedelta(seconds=early), self._not_before)

    def _stays(self) -> bool:
        """Return whether silence lets the stack stand."""
        return any(receipt.on_expiry is not OnExpiry.RELEASE for receipt in self._standing)

    async def _expire(self) -> None:
        """The time is nearly up: warn, ask, or extend; when it is up, release what may be released."""
        if not self._stays():
            await self._release()
        elif any(receipt.on_expiry is OnExpiry.ASK for receipt in self._standing) or self._overdue:
            await self._ask()
        else:
            await self._silence()

    async def _release(self) -> None:
        left = self._expires_at - workflow.now()
        if self._given.lead_seconds and self._warned != self._expires_at and left > timedelta(0):
            self._warned = self._expires_at
            minutes = max(1, round(left.total_seconds() / 60))
            self._tell(PageKind.EXPIRY, f"it is put back in {minutes} min; `extend` lets it stand")
            return
        if not self._trouble:
            self._tell(PageKind.EXPIRY, "the time is up: it is put back now")
        await self._revert(Cause.EXPIRED)

    @property
    def _overdue(self) -> bool:
        """Whether nobody has answered so often that no extension is left."""
        return not self._extensions_left

    async def _ask(self) -> None:
        self._gate.ask(
            WaitingFor(
                kind="release the containment",
                plan_hash=self._standing[-1].plan_hash,
                deadline=max(self._expires_at, workflow.now() + timedelta(seconds=30)),
                roles=("oncall", "lead"),
                target_uids=tuple(sorted({t.uid for r in self._standing for t in r.action.targets if t.uid})),
            )
        )
        await self._report(("its time is nearly up: approve to release it",))
        self._tell(PageKind.EXPIRY, "its time is nearly up: approve to release it; silence extends it")

    async def _silence(self) -> None:
        """Nobody said that it may end: it holds on, for a bounded number of times, and then louder or no more."""
        self._gate.withdraw()
        if self._extensions_left:
            self._extensions_left -= 1
            extended = await self._extend(self._standing[-1].action.ttl_seconds, None)
            if extended.accepted:
                self._tell(PageKind.EXPIRY, f"nobody answered: extended, {self._extensions_left} left")
        elif self._given.holds_on:
            held = await self._extend(OVERDUE_SECONDS, None)
            if held.accepted:
                text = (
                    "nobody has answered, and no extension is left: held on for an hour; a person must decide"
                )
                self._tell(PageKind.PAGE, text, Severity.CRITICAL)
        elif (await self._revert(Cause.EXPIRED)).accepted:
            self._tell(PageKind.EXPIRY, "nobody answered any more: it was put back")
