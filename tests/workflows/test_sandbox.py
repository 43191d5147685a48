"""Workflow modules are imported once for all workflows, and each of these is kept from the same things."""

import asyncio
import uuid

import pytest
from temporalio.worker import Worker

from tests.workflows.probe import FORBIDDEN, ProbeWorkflow
from tests.workflows.world import World
from workflows.sandbox import RUNNER

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]


async def test_every_one_of_many_workflows_at_once_is_kept_from_what_is_not_deterministic(
    world: World,
) -> None:
    queue = f"probe-{uuid.uuid4().hex[:8]}"
    async with Worker(world.client, task_queue=queue, workflows=[ProbeWorkflow], workflow_runner=RUNNER):
        told = await asyncio.gather(
            *(
                world.client.execute_workflow(ProbeWorkflow.run, id=f"{queue}-{number}", task_queue=queue)
                for number in range(20)
            )
        )
    assert [refused for refused, _ in told] == [[*FORBIDDEN]] * 20
    copies = {copy for _, copy in told}
    assert len(copies) == 1, "imported once for all of them"
    assert copies != {id(FORBIDDEN)}, "and inside of the sandbox"
