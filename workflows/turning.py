"""The turns of a stack: what was decided to come later is carried out one by one, beside people's commands.

A person who undoes wins over whatever is still due: the executor settles it before it puts anything back, and
what is in flight at that moment is taken back by itself.
"""

import asyncio
import contextlib

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.remediate import Remediating
    from activities.turns import HALTED
    from signals.pages import PageKind
    from signals.receipts import ActionState, Receipt
    from signals.requests import AdvanceRequest, Stack

from workflows.keeping import BELIEVED, Keeping
from workflows.options import LATER, TURN

TRIES = 3
"""How often an action is tried that the executor will not begin with."""


class Turning(Keeping):
    """The half of a stack's owner that carries out what is due."""

    _turns: "asyncio.Task[None] | None" = None
    _tries: dict[str, int]
    """How often the executor would not begin with an action."""

    def _begin_turns(self) -> None:
        """Carry out what is due, if anything is and nobody does already."""
        if self._due and (self._turns is None or self._turns.done()):
            self._turns = asyncio.create_task(self._take_turns())

    @property
    def _taking_turns(self) -> bool:
        return self._turns is not None and not self._turns.done()

    async def _take_turns(self) -> None:
        while self._due:
            done = await self._take_turn(self._due[0])
            if done and done.target_gone and not self._due:
                await workflow.sleep(
                    BELIEVED, summary="until no token of the evicted pods is believed any more"
                )
                self._evicted = True

    async def _take_turn(self, receipt: Receipt) -> Stack | None:
        """Carry out one action; what comes of it is on its receipt, and the next one has its turn."""
        request = AdvanceRequest(stack=self._everything(), action=receipt.action.id)
        done = None
        try:
            done = await workflow.execute_activity_method(
                Remediating.advance_stack, request, summary=receipt.action.summary[:180], **TURN
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            if await self._postponed(receipt, error):
                return None
            unknown = {"state": ActionState.INEFFECTIVE, "reason": f"not known: {error.cause or error}"}
            latest = receipt.model_copy(update=unknown)
        else:
            latest = next(one for one in done.receipts if one.action.id == receipt.action.id)
        if self._receipts[receipt.action.id].state is ActionState.DUE:
            self._receipts[receipt.action.id] = latest
        await self._say(self._receipts[receipt.action.id])
        return done

    async def _postponed(self, receipt: Receipt, error: ActivityError) -> bool:
        """Return whether to try again: another one comes first, or Firebreak is stopped, however long."""
        kinds, tried = _kinds(error), self._tries.get(receipt.action.id, 0)
        if HALTED not in kinds:
            if "Refused" not in kinds or tried >= TRIES:
                return False
            self._tries[receipt.action.id] = tried + 1
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: not self._due or self._due[0].action.id != receipt.action.id,
                timeout=LATER,
                timeout_summary="until the executor takes this turn",
            )
        return True

    async def _say(self, receipt: Receipt) -> None:
        """Put what came of a turn on the incident's timeline; page what did not come about, once."""
        why = f": {receipt.reason}" if receipt.reason else ""
        await self._report((f"{receipt.action.summary}: {receipt.state}{why}",))
        if receipt.state in (ActionState.FAILED, ActionState.INEFFECTIVE):
            self._tell(PageKind.PAGE, f"{receipt.action.summary} did not come about{why}; the rest goes on")


def _kinds(error: BaseException | None) -> set[str]:
    """Return what an activity failed of: behind a timeout stands what its last attempt said."""
    kinds: set[str] = set()
    while error is not None:
        if isinstance(error, ApplicationError) and error.type:
            kinds.add(error.type)
        error = error.__cause__
    return kinds
