"""The Forensic Investigator: looks at what surrounds an incident and asks agents what they saw. It only reads."""

from temporalio.worker import Worker

import activities.probes
from activities.investigate import Investigating
from activities.probe import Probe
from activities.recent import Recent, of_the_whole
from activities.witnesses import DEADLINE, Ask
from signals.catalog import load
from signals.errors import SettingsInvalid
from signals.subjects import (
    CONTEXT_STORE,
    DETECTING,
    FORENSIC_INVESTIGATOR,
    OBSERVATIONS,
    SLICES,
    STATE,
    service_subject,
)
from workers.agent import BUILD_ID, Agent, Context

AT_ONCE = 4
"""Investigations at one time: each asks the API server a dozen questions, and containment asks it too."""


async def run(context: Context) -> None:
    """Answer `collect_evidence` on this agent's own task queue until told to stop."""
    if context.temporal is None:
        raise SettingsInvalid(f"{context.agent} works for Temporal and was given no connection to it")
    witnesses = {agent: _asking(context, agent, OBSERVATIONS) for agent in (*DETECTING, CONTEXT_STORE)}
    past, state = (_asking(context, CONTEXT_STORE, name) for name in (SLICES, STATE))
    cluster = Recent(context.cluster, remembered=of_the_whole)
    investigating = Investigating(cluster, load(activities.probes, Probe), witnesses, past, state)
    worker = Worker(
        context.temporal,
        task_queue=FORENSIC_INVESTIGATOR,
        build_id=BUILD_ID,
        activities=[investigating.collect_evidence],
        max_concurrent_activities=AT_ONCE,
    )
    async with worker:
        context.ready()
        await context.stopping.wait()


def _asking(context: Context, agent: str, service: str) -> Ask:
    """Return how one agent's service is asked."""
    subject = service_subject(agent, service)

    async def ask(question: bytes) -> bytes:
        return await context.bus.ask(subject, question, DEADLINE)

    return ask


AGENT = Agent(name=FORENSIC_INVESTIGATOR, run=run)
