"""The Liaison: people's commands in, answers out; and every message to people.

A command is an object that its author created under their own credentials; the API server has proved who they
are and that they may say this. The liaison signs what it read there, so that nobody with raw access to Temporal
can speak for a person.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.notify import Notifying
from activities.owners import Owning
from activities.ports import COMMANDS, Manifest
from signals.approvals import Answer, Approval, Verb
from signals.errors import FirebreakError, Refused, SettingsInvalid, Unavailable
from signals.stops import ORDERS
from signals.subjects import CHANNELS, LIAISON, NAMESPACE, VERDICTS, service_subject, state_bucket
from workers import excepting, ordered, passing
from workers.agent import BUILD_ID, Agent, Context, until_stopped
from workers.anchoring import Anchoring
from workers.audited import spoken
from workers.cli.ledger import Ledger
from workers.deciding import Deciding, Groups, PassOn
from workers.enrolment import enrol, unenrol
from workers.grouping import Grouping
from workers.hindsight import Hindsight
from workers.slack_wiring import wired
from workers.telling import Telling

TRY_AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


def read(command: Manifest, context: Context) -> Approval:
    """Return what a Command object says, signed. The actor is proved by admission, and on memory by nobody."""
    spec, metadata = command["spec"], command["metadata"]
    return context.signer.seal(
        Approval(
            id=metadata["uid"],
            cluster=context.cluster.ref,
            verb=Verb(spec["verb"]),
            incident=spec.get("incident", ""),
            actor=spec["actor"],
            role=spec.get("role", "oncall"),
            authenticated=context.settings.cluster == "kubernetes",
            plan_hash=spec.get("planHash", ""),
            target_uids=tuple(spec.get("targetUIDs") or ()),
            reason=spec.get("reason", ""),
            seconds=spec.get("seconds", 0),
            keep=spec.get("keep", False),
            undo=spec.get("undo", False),
            force=spec.get("force", False),
            namespace=spec.get("namespace", ""),
            mode=spec.get("mode", "shadow"),
            verdict=spec.get("verdict") or None,
            rule=spec.get("rule", ""),
            workload=spec.get("workload", ""),
            image=spec.get("image", ""),
            exception=spec.get("exception", ""),
            said_at=metadata.get("creationTimestamp") or datetime.now(UTC),
            via=spec.get("via", ""),
            authenticated_at=spec.get("authenticatedAt"),
        )
    )


class Listening:
    """Reads commands from the API server and answers each once."""

    def __init__(
        self,
        context: Context,
        temporal: Client,
        notifying: Notifying,
        hindsight: Hindsight,
        groups: Groups | None = None,
    ) -> None:
        """Listen for this context; where there is Slack, ask it who is in which user group."""
        self._context = context
        self._notifying = notifying
        self._temporal = temporal
        bucket = context.bus.kv(state_bucket(LIAISON))
        self._deciding = Deciding(context.policy, bucket, temporal, context.signer, groups)
        self._grouping = Grouping(temporal, bucket, self._decided)
        self._hindsight = hindsight
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def listen(self) -> None:
        """Take every command without an answer, those from before a restart included."""
        async for change in self._context.cluster.watch(COMMANDS, NAMESPACE):
            if change.type not in ("ADDED", "MODIFIED"):
                continue
            uid = change.object["metadata"]["uid"]
            if change.object["spec"]["verb"] in ORDERS:
                if change.type == "ADDED":
                    self._busy[uid] = asyncio.create_task(self._tell_order(change.object))
                continue
            if "accepted" in (change.object.get("status") or {}):
                continue
            if uid not in self._busy:
                self._busy[uid] = asyncio.create_task(self._answer(change.object))

    async def _answer(self, command: Manifest) -> None:
        """Answer one command, however long a server takes to come back."""
        try:
            await self._until_answered(command)
        finally:
            self._busy.pop(command["metadata"]["uid"], None)

    async def _tell_order(self, command: Manifest) -> None:
        """Page what was said to the executor itself, which hears and answers it."""
        try:
            await ordered.tell(self._notifying, command, self._context.cluster.ref)
            heard = Answer(accepted=True, message="said to the executor, which answers it")
            await self._context.audit.note(*spoken(command, heard))
        except FirebreakError as error:
            log.error("an order could not be told", command=command["metadata"]["name"], error=str(error))
        finally:
            self._busy.pop(command["metadata"]["uid"], None)

    async def _until_answered(self, command: Manifest) -> None:
        while True:
            try:
                answer = await self._obey(command)
                await self._write(command, answer)
            except Unavailable as error:
                log.warning("a command waits", command=command["metadata"]["name"], error=str(error))
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            except FirebreakError as error:
                log.error(
                    "a command could not be answered", command=command["metadata"]["name"], error=str(error)
                )
                return
            else:
                return

    async def _obey(self, command: Manifest) -> Answer:
        try:
            approval = read(command, self._context)
            await self._deciding.once(command["metadata"]["name"], approval)
            if (carry_out := self._about_namespaces(approval)) is not None:
                answer = await self._deciding.about_namespace(approval, carry_out)
            elif group := command["spec"].get("group", ""):
                answer = await self._grouping.answer(approval, group)
            else:
                answer = await self._decided(approval)
                if answer.accepted and not answer.waits and approval.verdict:
                    await self._hindsight.keep(approval)
        except (Refused, ValueError) as error:
            answer = Answer(accepted=False, message=str(error))
        log.info(
            "a person spoke",
            actor=command["spec"].get("actor"),
            verb=command["spec"].get("verb"),
            incident=command["spec"].get("incident"),
            group=command["spec"].get("group"),
            accepted=answer.accepted,
            answer=answer.message,
        )
        await self._context.audit.note(*spoken(command, answer))
        return answer

    def _about_namespaces(self, approval: Approval) -> PassOn | None:
        """Return what carries out a command that is about no incident that runs; None for one that is."""
        if approval.verb in (Verb.ENROL, Verb.UNENROL):
            return partial(enrol if approval.verb is Verb.ENROL else unenrol, self._context.cluster)
        if approval.verb in (Verb.SNOOZE, Verb.END_EXCEPTION):
            return partial(excepting.obey, self._context)
        return self._hindsight.keep if approval.verb is Verb.JUDGE else None

    async def _decided(self, approval: Approval) -> Answer:
        """Pass one command on, if whoever said it may decide that."""
        return await self._deciding.about_incident(approval, partial(passing.pass_on, self._temporal))

    async def _write(self, command: Manifest, answer: Answer) -> None:
        metadata = command["metadata"]
        ref = COMMANDS.ref(metadata["name"], metadata["namespace"])
        status = {
            "accepted": answer.accepted,
            "message": answer.message[:4000],
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        await self._context.cluster.patch(ref, operations, subresource="status")


async def run(context: Context) -> None:
    """Tell people, and listen to them, until told to stop."""
    if context.temporal is None:
        raise SettingsInvalid(f"{context.agent} works for Temporal and was given no connection to it")
    telling = Telling(context, Ledger(context.temporal))
    channels = telling.channels
    slack = wired(context, context.temporal)
    if slack:
        channels["slack"] = slack.channel
        await slack.examine()
    ui = context.settings.temporal_ui
    incidents = f"{ui}/namespaces/{context.settings.temporal_namespace}/workflows" if ui else None
    anchoring = Anchoring(context)
    notifying = Notifying(channels, incidents, lambda: anchoring.digest)
    hindsight = Hindsight(context.temporal, context.bus.kv(state_bucket(LIAISON)))
    await context.bus.serve(service_subject(LIAISON, VERDICTS), hindsight.answer)
    await context.bus.serve(service_subject(LIAISON, CHANNELS), telling.answer)
    listening = Listening(context, context.temporal, notifying, hindsight, slack.groups if slack else None)
    owning = Owning(context.cluster, channels, context.policy)
    worker = Worker(
        context.temporal,
        task_queue=LIAISON,
        build_id=BUILD_ID,
        activities=[notifying.tell_people, owning.tell_owners],
    )
    async with worker:
        work = [asyncio.create_task(one) for one in (listening.listen(), anchoring.run(), telling.run())]
        if slack:
            work.append(asyncio.create_task(slack.run()))
        context.ready()
        await until_stopped(context, *work)


AGENT = Agent(name=LIAISON, run=run)
