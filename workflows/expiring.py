"""The clock of a stack: when its time is up, who is asked, and what silence means."""

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.decisions import OnExpiry
    from signals.incidents import WaitingFor
    from signals.pages import PageKind
    from signals.receipts import ActionState
    from signals.requests import Cause

from workflows.keeping import Keeping


class Expiring(Keeping):
    """The half of a stack's owner that looks at the clock."""

    _extensions_left: int

    @property
    def _expires_at(self) -> datetime:
        """The stack's expiry is the latest of its actions': they were laid one upon the other."""
        return max(receipt.expires_at or workflow.now() for receipt in self._standing)

    def _wake_at(self) -> datetime | None:
        """Return when the clock needs us: early enough to ask where a person is asked; never for a drift."""
        if any(receipt.state is ActionState.DRIFTED for receipt in self._standing) or not self._standing:
            return None
        if self._gate.waiting is not None:
            return self._gate.waiting.deadline
        early = timedelta(seconds=self._given.approval_seconds if self._asks() else 0)
        return max(self._expires_at - early, self._not_before)

    def _asks(self) -> bool:
        return any(receipt.on_expiry is not OnExpiry.RELEASE for receipt in self._standing)

    async def _expire(self) -> None:
        """The time is up: release what may be released; of what asks, silence means that it stays."""
        if not self._asks():
            if not self._trouble:
                self._tell(PageKind.EXPIRY, "the time is up: it is put back now")
            await self._revert(Cause.EXPIRED)
            return
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
        """Nobody said that it may end: it holds on, for a bounded number of times."""
        self._gate.withdraw()
        if self._extensions_left:
            self._extensions_left -= 1
            extended = await self._extend(self._standing[-1].action.ttl_seconds, None)
            if extended.accepted:
                self._tell(PageKind.EXPIRY, f"nobody answered: extended, {self._extensions_left} left")
        elif (await self._revert(Cause.EXPIRED)).accepted:
            self._tell(PageKind.EXPIRY, "nobody answered any more: it was put back")
