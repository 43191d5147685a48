"""The Remediation Executor: the one agent with hands in the cluster, and the sweeper that needs nobody.

The sweeper looks at what stands in the cluster, by labels and expiry alone. It tells the owner of a stack when
somebody changes the world around it, and two minutes after an expiry that nobody acted upon it does what the
stack says itself: Temporal may be gone by then.
"""

import asyncio
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

import activities.actions
from activities.action import Action
from activities.adapters.capturer import Captures
from activities.adapters.freezer import Freezes
from activities.adapters.orders import Ask
from activities.consent import Consents
from activities.divided import Divided
from activities.dossier import Dossiers
from activities.in_force import in_force
from activities.orders import Orders
from activities.ports import CAPTURES, FREEZES, Cluster, Resource
from activities.recent import Recent
from activities.records import Records
from activities.remediate import Remediating
from signals.audit import Kind
from signals.catalog import load
from signals.errors import FirebreakError, SettingsInvalid
from signals.subjects import (
    CAPTURER,
    CREDENTIAL_FREEZER,
    RECEIPTS_BUCKET,
    REMEDIATION_EXECUTOR,
    service_subject,
    state_bucket,
)
from signals.subjects import CAPTURES as CAPTURE_SERVICE
from signals.subjects import FREEZES as FREEZE_SERVICE
from workers.agent import BUILD_ID, Agent, Context, until_stopped
from workers.audited import Audited
from workers.heeding import Heeding
from workers.ownership import Ownership
from workers.sweeper import Sweeper

AT_ONCE = 40
"""Actions in flight: sized to the patience of the API server, not to the number of alerts."""

FREEZER_SECONDS = 3.0
"""How long the credential-freezer may take for one order."""
CAPTURER_SECONDS = 40.0
"""How long the capturer may: it gives up by itself before."""

log = structlog.get_logger(__name__)


async def run(context: Context) -> None:
    """Apply, verify, hold and put back until told to stop; sweep beside it."""
    temporal = context.temporal
    if temporal is None:
        raise SettingsInvalid(f"{context.agent} works for Temporal and was given no connection to it")
    records = context.bus.kv(RECEIPTS_BUCKET)
    actions = load(activities.actions, Action)
    consents = Consents(context.bus.kv(state_bucket(REMEDIATION_EXECUTOR)), context.trust)
    orders = Orders(context.bus.kv(state_bucket(REMEDIATION_EXECUTOR)))
    heeding = Heeding(context.cluster, orders, temporal)
    await heeding.begin()
    standing = await in_force(
        context.bus.kv(state_bucket(REMEDIATION_EXECUTOR)), context.policy, orders.approved_policies
    )
    heeding.policy, orders.policy = standing, standing.policy
    if standing.waiting:
        log.error("the installed policy does not hold", why=str(standing))
        context.attention(str(standing))
    cluster = Divided(context.cluster, _in_other_hands(context, consents))
    remediating = Remediating(
        actions=actions,
        cluster=Recent(cluster),
        consents=consents,
        orders=orders,
        records=records,
        trust=context.trust,
        policy=standing.policy,
        refused=str(standing),
    )
    kept = Records(records)
    owner = Ownership(
        temporal, kept, Dossiers(records), context.cluster.ref, standing.policy, context.liaison_key
    )
    sweeper = Sweeper(cluster, kept, actions, owner, told=partial(_swept, context), policy=standing.policy)
    async with _worker(temporal, context, remediating):
        work = (_sweep(sweeper), heeding.listen(), heeding.carry_on())
        context.ready()
        await until_stopped(context, *(asyncio.create_task(one) for one in work))


def _worker(temporal: Client, context: Context, remediating: Remediating) -> Worker:
    """Return what takes the executor's activities from its queue."""
    return Worker(
        temporal,
        task_queue=REMEDIATION_EXECUTOR,
        build_id=BUILD_ID,
        activities=[
            remediating.apply_plan,
            remediating.stage_plan,
            remediating.verify_stack,
            remediating.hold_stack,
            remediating.revert_stack,
            remediating.extend_stack,
            remediating.advance_stack,
        ],
        interceptors=[Audited(context.audit)],
        max_concurrent_activities=AT_ONCE,
    )


def _in_other_hands(context: Context, consents: Consents) -> dict[Resource, Cluster]:
    """Return the kinds that other agents hold for this executor, as it reaches them: by asking."""

    def asking(subject: str, seconds: float) -> Ask:
        async def ask(order: bytes) -> bytes:
            return await context.bus.ask(subject, order, seconds)

        return ask

    me = (context.cluster.ref, context.signer, context.trust)
    freezer = asking(service_subject(CREDENTIAL_FREEZER, FREEZE_SERVICE), FREEZER_SECONDS)
    capturer = asking(service_subject(CAPTURER, CAPTURE_SERVICE), CAPTURER_SECONDS)
    return {FREEZES: Freezes(*me, freezer, consents), CAPTURES: Captures(*me, capturer)}


async def _swept(context: Context, case: str, writes: list[str]) -> None:
    """Tell the audit record what the sweeper has put back."""
    body = {"incident": case, "cause": "nobody acted when the time was up", "notes": writes}
    await context.audit.note(Kind.REVERTED, body)


async def _sweep(sweeper: Sweeper) -> None:
    while True:
        try:
            await sweeper.sweep()
        except FirebreakError as error:
            log.warning("the sweep comes again", error=str(error))
        await asyncio.sleep(sweeper.seconds)


AGENT = Agent(name=REMEDIATION_EXECUTOR, run=run)
