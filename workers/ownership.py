"""Who answers for what stands: the remediation workflow of its incident, found by its id, or made anew.

A terminated workflow runs no code, and a database can be lost. What it had applied still stands, with a name on
it, and its plan and inverse are on record here: so a stack that nobody owns any more is paged and adopted.
"""

from datetime import UTC, datetime

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.dossier import Dossiers
from activities.records import Records
from signals.entities import ClusterRef
from signals.errors import Unavailable
from signals.policy import AfterExtensions, Policy
from signals.receipts import ActionState, Receipt
from signals.requests import RemediationInput, StackRequest
from signals.subjects import ORCHESTRATOR, REMEDIATION_WORKFLOW, remediation_id
from signals.threats import Severity
from workflows.options import TASK_TIMEOUT

SETTLED_SECONDS = 30.0
"""How long after its first write a stack may be without an owner: the incident hands it over after the write."""

log = structlog.get_logger(__name__)


class Ownership:
    """Finds the owner of a stack, tells it things, and replaces one that is gone."""

    def __init__(
        self,
        temporal: Client,
        records: Records,
        dossiers: Dossiers,
        cluster: ClusterRef,
        policy: Policy,
        liaison_key: str,
    ) -> None:
        """Look in this Temporal; adopted stacks obey this liaison."""
        self._temporal = temporal
        self._records = records
        self._dossiers = dossiers
        self._cluster = cluster
        self._policy = policy
        self._liaison_key = liaison_key

    async def tell(self, incident: str) -> None:
        """Tell the owner of a stack that somebody changed the world around it.

        Raises:
            Unavailable: Temporal does not answer.
        """
        try:
            await self._temporal.get_workflow_handle(remediation_id(incident)).signal("changed", {})
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise Unavailable(f"Temporal does not answer: {error}") from error

    async def page(self, incident: str, text: str) -> None:
        """Have the owner of a stack tell people that nobody answers for it.

        Raises:
            Unavailable: Temporal does not answer, or there is no owner to tell.
        """
        try:
            await self._temporal.get_workflow_handle(remediation_id(incident)).signal("unanswered", text)
        except RPCError as error:
            raise Unavailable(f"no owner of {incident} can be told: {error}") from error

    async def ensure(self, incident: str, action_ids: list[str]) -> None:
        """Adopt a stack that nobody owns any more; do nothing where its owner lives or may still come.

        Raises:
            Unavailable: Temporal does not answer; who owns it is not known.
        """
        if await self._owned(incident):
            return
        known = dict.fromkeys((*action_ids, *(await self._dossiers.of(incident)).actions))
        found = [record for record in [await self._records.find(one) for one in known] if record is not None]
        standing = tuple(record for record in found if record.state.stands)
        if not standing or not _settled(standing):
            return
        due = tuple(record for record in found if record.state is ActionState.DUE)
        receipts = (*standing, *due)
        log.error("nobody owns this containment; it is adopted", incident=incident)
        stack = StackRequest(incident=incident, cluster=self._cluster, receipts=receipts)
        try:
            await self._temporal.start_workflow(
                REMEDIATION_WORKFLOW,
                RemediationInput(
                    stack=stack,
                    title="Nobody owned this containment any more",
                    severity=Severity.HIGH,
                    liaison_key=self._liaison_key,
                    approval_seconds=self._policy.approval_seconds,
                    extensions_left=self._policy.extensions,
                    lead_seconds=self._policy.expiry_lead_seconds,
                    holds_on=self._policy.after_extensions is AfterExtensions.HOLD,
                    adopted=True,
                ),
                id=remediation_id(incident),
                task_queue=ORCHESTRATOR,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"adopted: what was applied for {incident}"[:180],
            )
        except WorkflowAlreadyStartedError:
            return
        except RPCError as error:
            raise Unavailable(f"Temporal does not answer: {error}") from error

    async def _owned(self, incident: str) -> bool:
        """Return whether the owner lives, or the incident itself does and is about to hand over."""
        for workflow_id in (remediation_id(incident), incident):
            try:
                found = await self._temporal.get_workflow_handle(workflow_id).describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    continue
                raise Unavailable(f"Temporal does not answer: {error}") from error
            if found.status is WorkflowExecutionStatus.RUNNING:
                return True
        return False


def _settled(receipts: tuple[Receipt, ...]) -> bool:
    now = datetime.now(UTC)
    latest = max(receipt.applied_at or now for receipt in receipts)
    return (now - latest).total_seconds() > SETTLED_SECONDS
