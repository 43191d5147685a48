"""The executor's own ears: it hears stop and resume from the API server, obeys at once, and answers by itself.

No Temporal, no NATS and no other agent is between a person and this. What waited for the resume is told of it as
soon as Temporal can be reached.
"""

import asyncio
from datetime import UTC, datetime

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.in_force import Standing
from activities.orders import Orders
from activities.ports import COMMANDS, Cluster, Manifest
from signals.approvals import Answer, Verb
from signals.errors import Conflict, FirebreakError, NotFound, Unavailable
from signals.stops import ORDERS, PEOPLE_TO_RESUME
from signals.subjects import NAMESPACE, remediation_id
from workers.feeding import permanent

AGAIN_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Heeding:
    """Keeps one executor's orders up to date, answered, on record, and carried on."""

    policy: Standing | None = None
    """Which policy holds; None until that is known."""

    def __init__(self, cluster: Cluster, orders: Orders, temporal: Client) -> None:
        """Hear the Commands of this cluster; tell incidents in this Temporal of a resume."""
        self._cluster = cluster
        self._orders = orders
        self._temporal = temporal
        self._unanswered: dict[str, Manifest] = {}

    async def begin(self) -> None:
        """Know what holds before anything is written.

        Raises:
            Unavailable, Refused: a server did not say; the agent may not begin.
        """
        await self._orders.load()
        await self._orders.refresh(self._cluster)
        await self._orders.keep()

    async def listen(self) -> None:
        """Hear every Command, those from before a restart included."""
        async for change in self._cluster.watch(COMMANDS, NAMESPACE):
            if change.type not in ("ADDED", "MODIFIED"):
                continue
            command = change.object
            self._orders.hear(command)
            if command["spec"]["verb"] in ORDERS and "accepted" not in (command.get("status") or {}):
                self._unanswered[command["metadata"]["uid"]] = command
                await self._settle()

    async def carry_on(self) -> None:
        """Answer, put on record and tell what could not be before, again and again.

        Raises:
            Unavailable: another policy holds from now on; the agent must begin again under it.
        """
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            await self._settle()
            if self.policy and self.policy.approved_by(self._orders.approved_policies):
                raise Unavailable(
                    "a lead has approved the installed policy: this agent begins again under it"
                )
            try:
                await self._orders.keep()
                if self._orders.standing is None:
                    await self._resumed()
            except (FirebreakError, RPCError) as error:
                log.warning("what people said is not on record or told yet", error=str(error))

    async def _settle(self) -> None:
        """Answer what waits; a Command that somebody deleted keeps no other one from its answer."""
        for uid, command in list(self._unanswered.items()):
            try:
                await self._answer(command, self._reply(command))
            except (NotFound, Conflict) as error:
                log.warning("an order is obeyed, and its Command is gone", error=str(error))
            except FirebreakError as error:
                log.warning("an order is obeyed and not answered yet", error=str(error))
                continue
            self._unanswered.pop(uid, None)

    def _reply(self, command: Manifest) -> Answer:
        verb, spec = command["spec"]["verb"], command["spec"]
        log.warning("a person gave an order", verb=verb, actor=spec["actor"], reason=spec.get("reason", ""))
        if verb == Verb.STOP:
            return Answer(
                accepted=True, message="stopped: nothing new is written until two people have resumed"
            )
        why = self._orders.objection(command)
        if why:
            return Answer(accepted=False, message=why)
        if verb == Verb.APPROVE_POLICY:
            return self._policy_reply((spec.get("fromPolicy", ""), spec.get("toPolicy", "")))
        return self._resume_reply(command["metadata"]["uid"], spec["actor"], spec.get("stop", ""))

    def _changes(self) -> tuple[str, str] | None:
        """Return from which policy to which one would loosen, by digests; None where none waits."""
        if self.policy is None or self.policy.waiting is None:
            return None
        return self.policy.policy.digest, self.policy.waiting.digest

    def _policy_reply(self, approved: tuple[str, str]) -> Answer:
        if approved == self._changes():
            return Answer(accepted=True, message="approved: it holds as soon as the executor has begun again")
        if self.policy and approved[1] == self.policy.policy.digest:
            return Answer(accepted=True, message="it holds")
        return Answer(
            accepted=False, message="no such change of policy waits; `firebreak status` shows what does"
        )

    def _resume_reply(self, command: str, actor: str, uid: str) -> Answer:
        halt = self._orders.halt
        if uid not in halt.stops:
            return Answer(
                accepted=False, message="there is no such stop; `firebreak status` shows what holds"
            )
        said, actor = halt.resumes.get(uid, {}), self._orders.people.counted_as(actor)
        if said.get(actor) != command:
            return Answer(accepted=False, message=f"{actor} has said that already: it needs another person")
        if len(said) < PEOPLE_TO_RESUME:
            return Answer(accepted=True, message=f"{actor} wants to resume: another person must say it too")
        left = halt.standing
        return Answer(
            accepted=True, message=f"still stopped: {left}" if left else f"resumed by {' and '.join(said)}"
        )

    async def _answer(self, command: Manifest, answer: Answer) -> None:
        metadata = command["metadata"]
        status = {
            **answer.model_dump(include={"accepted", "message"}),
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        ref = COMMANDS.ref(metadata["name"], metadata["namespace"])
        await self._cluster.patch(ref, operations, subresource="status")

    async def _resumed(self) -> None:
        """Have everything judged again that was postponed, and the rest written of what was halted."""
        waiting = await self._orders.waiting()
        for incident in waiting:
            await self._signal(incident, "resumed")
            await self._signal(remediation_id(incident), "changed")
        if waiting:
            log.info("what was postponed is judged again", incidents=len(waiting))
            await self._orders.told(waiting)

    async def _signal(self, workflow_id: str, signal: str) -> None:
        try:
            await self._temporal.get_workflow_handle(workflow_id).signal(signal, {})
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return
            if not permanent(error):
                raise
            # Told again for ever, it would keep all others waiting.
            log.error("it can never be told of the resume", workflow=workflow_id, error=str(error))
