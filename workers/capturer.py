"""The Capturer: keeps evidence of a pod while there is any, and may look into one only while a capture lasts."""

from signals.errors import SettingsInvalid
from signals.subjects import CAPTURER, CAPTURES, EVIDENCE_BUCKET, service_subject
from workers.agent import Agent, Context, until_stopped
from workers.capturing import Capturer


async def run(context: Context) -> None:
    """Answer orders until told to stop."""
    if context.workload is None:
        raise SettingsInvalid(f"{context.agent} looks into pods and was given no way to")
    capturer = Capturer(
        cluster=context.cluster,
        workload=context.workload,
        signer=context.signer,
        trust=context.trust,
        bucket=context.bus.kv(EVIDENCE_BUCKET),
    )
    await context.bus.serve(service_subject(CAPTURER, CAPTURES), capturer.answer)
    context.ready()
    await until_stopped(context)


AGENT = Agent(name=CAPTURER, run=run, uses_temporal=False)
