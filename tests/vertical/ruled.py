"""Another policy on the shared stack, for as long as some tests need it: installed, and approved by the lead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signals.policy import parse
from signals.subjects import ORCHESTRATOR, REMEDIATION_EXECUTOR
from tests.vertical.stage import Stage, until


async def install(stage: Stage, text: str) -> tuple[str, str]:
    """Put a policy in the place of the installed one, and start those again who follow it; return both digests."""
    file = stage.stack.layout.policy
    before = parse(await asyncio.to_thread(file.read_text)).digest
    await asyncio.to_thread(file.write_text, text)
    agents = (ORCHESTRATOR, REMEDIATION_EXECUTOR)
    restarts = {agent: stage.kill(agent) for agent in agents}
    await asyncio.gather(*(stage.back(agent, restarts[agent]) for agent in agents))
    return before, parse(text).digest


async def approve(stage: Stage, before: str, after: str) -> None:
    """Let the lead approve a change of policy, once for ever; return when the executor has begun again under it."""
    restarts = stage.status.process(REMEDIATION_EXECUTOR).restarts
    code, _, said = await stage.firebreak("approve-policy", before, after)
    if code == 3 and "no such change of policy waits" in said:
        return
    assert code == 0, said

    async def again() -> bool:
        state = stage.status.process(REMEDIATION_EXECUTOR)
        return state.ready and state.restarts > restarts

    await until(again, lambda: f"the executor is {stage.status.process(REMEDIATION_EXECUTOR)}", pause=0.02)


@asynccontextmanager
async def under(stage: Stage, text: str) -> AsyncIterator[None]:
    """Play under another policy, then under the one from before again, which is to be the tighter one."""
    usual = await asyncio.to_thread(stage.stack.layout.policy.read_text)
    try:
        before, after = await install(stage, text)
        await approve(stage, before, after)
        yield
    finally:
        await install(stage, usual)
