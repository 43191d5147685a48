"""Passes a person's command on to its incident, or to the owner of what still stands of it."""

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from signals.approvals import Answer, Approval, Verb
from signals.errors import Unavailable
from signals.subjects import remediation_id

UPDATE = {
    Verb.APPROVE: "approve",
    Verb.REJECT: "reject",
    Verb.UNDO: "undo",
    Verb.EXTEND: "extend",
    Verb.STAND_DOWN: "stand_down",
    Verb.CLOSE: "close",
}


async def pass_on(temporal: Client, approval: Approval) -> Answer:
    """Send a command to its incident; if that has ended, to the owner of what still stands.

    Raises:
        Unavailable: Temporal did not answer; the same command may be sent again, under the same id.
    """
    for workflow_id in (approval.incident, remediation_id(approval.incident)):
        try:
            answer: Answer = await temporal.get_workflow_handle(workflow_id).execute_update(
                UPDATE[approval.verb], approval.model_dump(mode="json"), id=approval.id, result_type=Answer
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            ended = isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow"
            return Answer(accepted=ended, message="closed" if ended else _said(cause))
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise Unavailable("the incident has not answered yet") from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                continue
            raise Unavailable(f"Temporal does not answer: {error}") from error
        return answer
    return Answer(
        accepted=False,
        message=f"there is no open incident “{approval.incident}”, and nothing of it stands;"
        " `firebreak incidents --open` lists those that there are",
    )


def _said(cause: BaseException | None) -> str:
    """Return a workflow's refusal in its own words, without the name of its error's type."""
    return cause.message if isinstance(cause, ApplicationError) else str(cause)
