"""Whether a person may decide, and whether they are enough: asked by the liaison before anything is passed on.

Wherever they spoke, the same rules hold: what the policy asks for by role, Slack user group and number; not about
what they did themselves; on what they saw. Who is refused reads why, and so does everybody who reads the incident.
The executor asks all of it again, by its own records.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog
from pydantic import BaseModel
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import KeyValue
from signals import matters, voices
from signals.approvals import Answer, Approval, Verb, Voice
from signals.authority import Demand, Matter
from signals.envelope import Signer
from signals.errors import Refused, Unavailable
from signals.incidents import Incident
from signals.people import People, Person
from signals.policy import Policy
from signals.requests import Heard, Stack
from signals.subjects import remediation_id
from workers.gathering import Gathered, Gathering

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=BaseModel)
ASK = timedelta(seconds=5)
"""How long a workflow may take to tell how it stands."""
PassOn = Callable[[Approval], Awaitable[Answer]]


class Groups(Protocol):
    """Slack user groups, asked at decision time. Without Slack there is none, and it is roles alone."""

    async def groups_of(self, person: Person) -> frozenset[str]:
        """Return the ids of the groups that a person is in now, at most 60 s old.

        Raises:
            Unavailable: Slack does not answer; the decision waits.
        """


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a command is about, as it is now."""

    verb: Verb
    """What it amounts to."""
    matter: Matter
    about: tuple[str, ...] = ()
    """What voices are gathered about: those about something else do not count together."""
    stale: bool = False
    """The person saw something else: whoever is asked will say so."""


class Deciding:
    """Looks at every command before it is passed on."""

    def __init__(
        self,
        policy: Policy,
        bucket: KeyValue,
        temporal: Client,
        signer: Signer,
        groups: Groups | None = None,
    ) -> None:
        """Judge by this policy; keep voices in this bucket; sign what is passed on."""
        self._policy = policy
        self._people = People(policy.people)
        self._gathering = Gathering(bucket, timedelta(seconds=policy.approval_seconds))
        self._temporal = temporal
        self._signer = signer
        self._groups = groups

    async def about_incident(self, approval: Approval, pass_on: PassOn) -> Answer:
        """Pass a command to its incident if whoever said it may, and they are enough."""
        return await self._decided(approval, await self._question(approval), pass_on)

    async def about_namespace(self, approval: Approval, carry_out: PassOn) -> Answer:
        """Decide about a namespace, and an incident that is named, if whoever said it may and they are enough."""
        incident = await self._incident(approval.incident) if approval.incident else None
        matter = matters.of_incident(incident, approval.verb) if incident else Matter()
        if approval.namespace:
            matter = replace(matter, namespaces=(approval.namespace,))
        return await self._decided(approval, Question(verb=approval.verb, matter=matter), carry_out)

    async def once(self, name: str, approval: Approval) -> None:
        """Return if this is the only Command that ever came of a click.

        Raises:
            Refused: another one did.
            Unavailable: it is not known.
        """
        if approval.via and await self._gathering.used(name, approval.id):
            raise Refused("this click was used already: look at the incident, and decide there")

    async def _decided(self, approval: Approval, asked: Question, act: PassOn) -> Answer:
        demand = self._policy.authority.asked(asked.verb, asked.matter)
        approval = await self._identified(approval, demand)
        why = voices.objection(self._policy, asked.verb, asked.matter, approval.voices[0])
        if why:
            await self._tell(approval, f"refused: {why}", counts=False)
            return Answer(accepted=False, message=why)
        if demand.people > 1 and not asked.stale:
            gathered = await self._gathering.join(approval, asked.about, demand.people)
            others = self._others(gathered, asked)
            if len(others) + 1 < demand.people:
                message = _needed(approval, others, demand.people)
                await self._tell(approval, message, counts=True)
                return Answer(accepted=True, message=message, waits=True)
            approval = approval.model_copy(update={"seconded": others})
        return await act(self._signer.seal(approval))

    def _others(self, gathered: Gathered, asked: Question) -> tuple[Voice, ...]:
        """Return who said the same before and may still."""
        return tuple(
            voice
            for voice in gathered.voices[:-1]
            if not voices.objection(self._policy, asked.verb, asked.matter, voice)
        )

    async def _identified(self, approval: Approval, demand: Demand) -> Approval:
        """Return a command with the person's own name, and the groups that they are in if that matters."""
        person = self._people.of_command(approval.actor, approval.via)
        groups = None
        if demand.groups and approval.via and person and self._groups:
            groups = tuple(sorted(await self._groups.groups_of(person)))
        name = self._people.counted_as(approval.actor)
        return approval.model_copy(update={"person": name, "groups": groups})

    async def _question(self, approval: Approval) -> Question:
        """Return what a command is about now."""
        incident = await self._incident(approval.incident)
        if incident is None:
            return await self._left_behind(approval)
        asked, stack = incident.summary.waiting_for, incident.summary.stack
        verb = matters.decides(approval, asked.kind if asked else "")
        matter = matters.of_incident(incident, approval.verb)
        if approval.verb in (Verb.APPROVE, Verb.REJECT):
            stale = asked is None or asked.plan_hash != approval.plan_hash
            about = (asked.plan_hash, asked.deadline.isoformat()) if asked else ()
            return Question(verb=verb, matter=matter, about=about, stale=stale)
        stale = approval.plan_hash not in ("", stack)
        return Question(verb=verb, matter=matter, about=(stack,), stale=stale)

    async def _left_behind(self, approval: Approval) -> Question:
        """Return what a command is about where only the owner of what stands is left."""
        stack = await self._asked(remediation_id(approval.incident), "stack", Stack)
        receipts = stack.receipts if stack else ()
        standing = [receipt for receipt in receipts if receipt.state.stands]
        about = (matters.stack_digest(standing),)
        matter = matters.of_receipts(standing)
        return Question(verb=matters.decides(approval), matter=matter, about=about)

    async def _incident(self, incident: str) -> Incident | None:
        return await self._asked(incident, "incident", Incident)

    async def _asked(self, workflow_id: str, query: str, model: type[T]) -> T | None:
        """Ask a workflow; None where there is none.

        Raises:
            Unavailable: nobody answers for it now.
        """
        handle = self._temporal.get_workflow_handle(workflow_id)
        try:
            answer: T = await handle.query(query, result_type=model, rpc_timeout=ASK)
        except WorkflowQueryFailedError as error:
            raise Unavailable(f"{workflow_id} cannot be asked: {error}") from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise Unavailable(f"Temporal does not answer: {error}") from error
        return answer

    async def _tell(self, approval: Approval, note: str, *, counts: bool) -> None:
        """Show in the incident that somebody spoke, beside the answer on their Command."""
        if not approval.incident:
            return
        heard = Heard(approval=self._signer.seal(approval), note=note, counts=counts)
        for workflow_id in (approval.incident, remediation_id(approval.incident)):
            try:
                handle = self._temporal.get_workflow_handle(workflow_id)
                await handle.signal("spoken", heard.model_dump(mode="json"))
            except RPCError as error:
                log.info("not shown there", workflow=workflow_id, error=str(error))
            else:
                return


def _needed(approval: Approval, others: Sequence[Voice], need: int) -> str:
    """Return what is still needed, and what to do about it."""
    have = " and ".join(dict.fromkeys(voice.person for voice in (*others, approval.voices[0])))
    said = "approved" if approval.verb is Verb.APPROVE else f"said {approval.verb}"
    about = approval.incident or approval.namespace
    return (
        f"{len(others) + 1} of {need} {said} ({have}): another person is needed, who says"
        f" `firebreak {approval.verb} {about}` too. If there is nobody, and it cannot wait, `firebreak release`"
        " takes containment back under break-glass credentials"
    )
