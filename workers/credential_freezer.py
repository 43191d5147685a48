"""The Credential Freezer: freezes and thaws the tokens of one pod at a time, by order of the executor alone.

Whoever can make a Freeze object can stop a workload's writes. So that right is apart from the executor's hands,
with an identity, checks and caps of its own.
"""

from signals.subjects import CREDENTIAL_FREEZER, FREEZES, service_subject, state_bucket
from workers.agent import Agent, Context, until_stopped
from workers.freezing import Freezer


async def run(context: Context) -> None:
    """Answer orders until told to stop."""
    freezer = Freezer(
        cluster=context.cluster,
        signer=context.signer,
        trust=context.trust,
        policy=context.policy,
        bucket=context.bus.kv(state_bucket(CREDENTIAL_FREEZER)),
    )
    await context.bus.serve(service_subject(CREDENTIAL_FREEZER, FREEZES), freezer.answer)
    context.ready()
    await until_stopped(context)


AGENT = Agent(name=CREDENTIAL_FREEZER, run=run, uses_temporal=False)
