"""How an incident hands its applied actions to the one workflow that owns them, and speaks to it."""

import asyncio
from collections.abc import Iterable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from signals import picture
    from signals.approvals import Approval
    from signals.casefile import CaseFile
    from signals.receipts import ActionState, Receipt
    from signals.requests import IncidentInput, RemediationInput, StackRequest
    from signals.subjects import REMEDIATION_WORKFLOW, remediation_id

from workflows.options import COMES_BACK, TASK_TIMEOUT


class StackOwner:
    """The owner of one incident's stack: a child that outlives its parent, found by its id."""

    def __init__(self, given: IncidentInput) -> None:
        """Speak for this incident."""
        self._given = given
        self._handed: set[str] = set()
        self._known = given.carried is not None
        self._turn = asyncio.Lock()

    async def hand_over(self, file: CaseFile) -> None:
        """Give the owner what it does not have yet; start it if it is not there (any more)."""
        async with self._turn:
            new = tuple(receipt for receipt in file.unfinished if _key(receipt) not in self._handed)
            if not new:
                return
            stack = StackRequest(incident=file.given.incident, cluster=file.given.cluster, receipts=new)
            if not (self._known and await self._signal("push", stack.model_dump(mode="json"))):
                await self._start(file, stack)
            self._known = True
            self._handed |= {_key(receipt) for receipt in new}

    def given_back(self, receipts: Iterable[Receipt]) -> None:
        """Hand over again what a limit held back in its turn, once it is due again."""
        staged = {receipt.action.id for receipt in receipts if receipt.state is ActionState.STAGED}
        back = {key for key in self._handed if key.partition("/")[0] in staged}
        if back and workflow.patched(COMES_BACK):
            self._handed -= back

    async def command(self, file: CaseFile, approval: Approval) -> None:
        """Pass on what a person said."""
        await self._tell(file, "command", approval.model_dump(mode="json"))

    async def cancel(self, file: CaseFile) -> None:
        """Have everything put back because the incident was cancelled."""
        await self._tell(file, "cancelled", {})

    async def _tell(self, file: CaseFile, name: str, body: dict[str, Any]) -> None:
        """Signal the owner; one that is gone although something stands is replaced first."""
        if await self._signal(name, body):
            return
        self._handed.clear()
        await self.hand_over(file)
        await self._signal(name, body)

    async def _signal(self, name: str, body: dict[str, Any]) -> bool:
        """Signal the owner; False if it has ended."""
        handle = workflow.get_external_workflow_handle(remediation_id(self._given.incident))
        try:
            await handle.signal(name, body)
        except FailureError:
            return False
        return True

    async def _start(self, file: CaseFile, stack: StackRequest) -> None:
        summary = picture.summary(file, None)
        try:
            await workflow.start_child_workflow(
                REMEDIATION_WORKFLOW,
                RemediationInput(
                    stack=stack,
                    title=summary.title,
                    severity=summary.severity,
                    liaison_key=self._given.liaison_key,
                    approval_seconds=self._given.approval_seconds,
                    extensions_left=self._given.extensions,
                    lead_seconds=self._given.lead_seconds,
                    holds_on=self._given.holds_on,
                ),
                id=remediation_id(file.given.incident),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"holds what was applied for {file.given.incident}"[:180],
            )
        except WorkflowAlreadyStartedError:
            await self._signal("push", stack.model_dump(mode="json"))


def _key(receipt: Receipt) -> str:
    """Return what tells receipts apart that the owner must be given: what was approved since is another one."""
    return (
        f"{receipt.action.id}/{receipt.approved_by or ''}" if receipt.action.deferred else receipt.action.id
    )
