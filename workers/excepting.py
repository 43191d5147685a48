"""Makes and ends exceptions by a person's word: signed here, kept and counted by the orchestrator."""

from signals.approvals import Answer, Approval, Verb
from signals.errors import Refused
from signals.exceptions import exception
from signals.subjects import EXCEPTIONS, LIAISON, ORCHESTRATOR, service_subject
from workers.agent import Context
from workers.expecting import LISTED

SUBJECT = service_subject(ORCHESTRATOR, EXCEPTIONS)
ANSWER_SECONDS = 5.0


async def obey(context: Context, approval: Approval) -> Answer:
    """Make an exception, or end one; the judge knows of it when this returns.

    Raises:
        Refused, BadInput: it cannot be, and why.
        Unavailable: the orchestrator does not answer; the same command may come again.
    """
    if approval.verb is Verb.SNOOZE:
        one = context.signer.seal(exception(approval))
        await context.bus.ask(SUBJECT, one.model_dump_json().encode(), ANSWER_SECONDS)
        return Answer(
            accepted=True,
            message=f"{one.id}: “{one.rule}” of {one.whose} is expected until {one.until:%Y-%m-%d %H:%M} UTC;"
            f" it is recorded, and nothing is done. `firebreak exceptions end {one.id}` ends it",
        )
    return await _end(context, approval)


async def _end(context: Context, approval: Approval) -> Answer:
    known = LISTED.validate_json(await context.bus.ask(SUBJECT, b"", ANSWER_SECONDS))
    one = next((each.exception for each in known if each.exception.id == approval.exception), None)
    if one is None:
        raise Refused(f"there is no exception “{approval.exception}”: `firebreak exceptions` lists all")
    context.trust.check_sealed(LIAISON, one)
    if one.ends <= approval.said_at:
        return Answer(accepted=True, message=f"{one.id} has ended already")
    ended = one.model_copy(update={"ended_at": approval.said_at, "ended_by": approval.actor})
    await context.bus.ask(SUBJECT, context.signer.seal(ended).model_dump_json().encode(), ANSWER_SECONDS)
    return Answer(accepted=True, message=f"{one.id} has ended: “{one.rule}” of {one.whose} counts again")
