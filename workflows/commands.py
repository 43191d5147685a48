"""What people can say to a workflow: the same six updates for an incident and for the owner of its stack.

Each update takes whatever is said: a message that does not decode must be refused in words, not wedge the
workflow. A refusal leaves no trace in history; the liaison writes it onto the Command that was refused.
"""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from signals.approvals import Answer, Approval, Verb
    from signals.errors import Refused
    from signals.requests import Heard

from workflows.hearing import heard


class Commanded:
    """A workflow that obeys people. `refuse` raises `Refused`; `obey` does it and answers."""

    def refuse(self, approval: Approval) -> None:
        """Raise `Refused` if this command may not be obeyed now."""
        raise NotImplementedError

    async def obey(self, approval: Approval) -> Answer:
        """Do what was said, and say what came of it."""
        raise NotImplementedError

    async def overhear(self, heard: Heard) -> None:
        """Show that a person spoke: somebody else is needed, or it does not count. Raises `Refused` for a fake."""
        raise NotImplementedError

    @workflow.signal(description="A person spoke, and that alone decides nothing")
    async def spoken(self, *said: Any) -> None:
        """Take note of it, if the liaison vouches for it."""
        try:
            await self.overhear(Heard.model_validate(heard(said)))
        except (ValidationError, Refused) as error:
            workflow.logger.error("what was said to be spoken is not: %s", error)

    def _check(self, verb: Verb, said: tuple[Any, ...]) -> None:
        try:
            approval = Approval.model_validate(heard(said))
            if approval.verb is not verb:
                raise Refused(f"this is a command to {approval.verb}, not to {verb}")
            self.refuse(approval)
        except ValidationError as error:
            reason = f"not a command: {error.errors()[0]['msg']}"
            raise ApplicationError(reason, type="BadInput", non_retryable=True) from error
        except Refused as error:
            raise ApplicationError(str(error), type="Refused", non_retryable=True) from error

    @workflow.update(description="A person approves the staged plan")
    async def approve(self, *said: Any) -> Answer:
        """Carry out the staged plan."""
        return await self.obey(Approval.model_validate(heard(said)))

    @approve.validator
    def _check_approve(self, *said: Any) -> None:
        self._check(Verb.APPROVE, said)

    @workflow.update(description="A person rejects the staged plan")
    async def reject(self, *said: Any) -> Answer:
        """Drop the staged plan."""
        return await self.obey(Approval.model_validate(heard(said)))

    @reject.validator
    def _check_reject(self, *said: Any) -> None:
        self._check(Verb.REJECT, said)

    @workflow.update(description="A person puts everything back")
    async def undo(self, *said: Any) -> Answer:
        """Put everything back, newest first."""
        return await self.obey(Approval.model_validate(heard(said)))

    @undo.validator
    def _check_undo(self, *said: Any) -> None:
        self._check(Verb.UNDO, said)

    @workflow.update(description="A person lets it stand for longer")
    async def extend(self, *said: Any) -> Answer:
        """Move the expiry."""
        return await self.obey(Approval.model_validate(heard(said)))

    @extend.validator
    def _check_extend(self, *said: Any) -> None:
        self._check(Verb.EXTEND, said)

    @workflow.update(name="stand_down", description="A person stops the response and puts everything back")
    async def stand_down(self, *said: Any) -> Answer:
        """Put everything back, and write nothing more in this incident."""
        return await self.obey(Approval.model_validate(heard(said)))

    @stand_down.validator
    def _check_stand_down(self, *said: Any) -> None:
        self._check(Verb.STAND_DOWN, said)

    @workflow.update(description="A person ends the incident")
    async def close(self, *said: Any) -> Answer:
        """End it."""
        return await self.obey(Approval.model_validate(heard(said)))

    @close.validator
    def _check_close(self, *said: Any) -> None:
        self._check(Verb.CLOSE, said)
