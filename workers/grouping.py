"""One command about everything that waits for the same limit: each incident is answered under its own name.

The command is bound to a hash over all of them. Who came meanwhile changes the hash, and is not approved unseen.
What the command is about is kept before the first incident hears of it: after a crash the same ones are answered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pydantic import TypeAdapter
from temporalio.client import Client
from temporalio.service import RPCError

from activities.ports import KeyValue
from signals.approvals import Answer, Approval, Verb
from signals.errors import Conflict, Refused, Unavailable
from signals.groups import Member, digest, waiting_in
from signals.incidents import Summary
from signals.subjects import INCIDENT_WORKFLOW, MEMO

AT_ONCE = 20
"""Incidents that are answered at one time."""
TOLD = 5
"""Incidents that would not obey and are named in the answer."""
MEMBERS = TypeAdapter(tuple[Member, ...])

PassOn = Callable[[Approval], Awaitable[Answer]]


class Grouping:
    """Answers groups."""

    def __init__(self, temporal: Client, bucket: KeyValue, pass_on: PassOn) -> None:
        """Find incidents in this Temporal, keep what is answered in this bucket, speak through `pass_on`.

        `pass_on` signs a command about one incident and sends it.
        """
        self._temporal = temporal
        self._bucket = bucket
        self._pass_on = pass_on

    async def answer(self, command: Approval, group: str) -> Answer:
        """Answer everything that waits in a group, if it is still what the person saw.

        Raises:
            Refused: the verb cannot be said to a group.
            Unavailable: Temporal or the bucket does not answer; the same command may come again.
        """
        if command.verb not in (Verb.APPROVE, Verb.REJECT):
            raise Refused(f"a group can be approved or rejected; “{command.verb}” needs an incident")
        members = await self._members(command, group)
        if isinstance(members, Answer):
            return members
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(member: Member) -> Answer:
            theirs = {
                "id": f"{command.id}/{member.incident}",
                "incident": member.incident,
                "plan_hash": member.plan_hash,
                "target_uids": member.target_uids,
            }
            async with gate:
                return await self._pass_on(command.model_copy(update=theirs))

        answers = await asyncio.gather(*(one(member) for member in members), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        said = [answer for answer in answers if isinstance(answer, Answer)]
        return _summed(command.verb, members, said)

    async def _members(self, command: Approval, group: str) -> tuple[Member, ...] | Answer:
        """Return whom a command is about: kept by an earlier attempt, or those who wait, if the hash is theirs."""
        key = f"group.{command.id}"
        known = await self._bucket.get(key)
        if known is not None:
            return MEMBERS.validate_json(known.value)
        members = waiting_in(group, await self._summaries())
        if not members:
            return Answer(accepted=False, message=f"nothing waits in {group} (any more)")
        if digest(members) != command.plan_hash:
            now = "1 incident waits" if len(members) == 1 else f"{len(members)} incidents wait"
            message = f"{now} in {group}, and not as you saw them: look again, and decide again"
            return Answer(accepted=False, message=message)
        try:
            await self._bucket.create(key, MEMBERS.dump_json(members))
        except Conflict:
            return await self._members(command, group)
        return members

    async def _summaries(self) -> list[Summary]:
        query = f"WorkflowType = '{INCIDENT_WORKFLOW}' AND FirebreakState = 'awaiting-approval'"
        try:
            rows = [row async for row in self._temporal.list_workflows(query)]
            found = [await row.memo_value(MEMO, None, type_hint=Summary) for row in rows]
        except RPCError as error:
            raise Unavailable(f"Temporal does not answer: {error}") from error
        return [summary for summary in found if summary is not None]


def _summed(verb: Verb, members: Sequence[Member], answers: Sequence[Answer]) -> Answer:
    """Return what came of it in one answer."""
    done = sum(answer.accepted and not answer.waits for answer in answers)
    wait = sum(answer.waits for answer in answers)
    what = "approved" if verb is Verb.APPROVE else "rejected"
    message = f"{what} {done} of {len(members)} incidents"
    if wait:
        message += f"; {wait} of them wait for another person, who says the same about the group"
    failed = [
        f"{member.incident}: {answer.message}"
        for member, answer in zip(members, answers, strict=True)
        if not answer.accepted
    ]
    if failed:
        more = f"; and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
        message += f". Not done: {'; '.join(failed[:TOLD])}{more}"
    return Answer(accepted=not failed, message=message)
