"""A world for workflow tests: a real Temporal server, real workers, and a cluster in a dictionary."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import activities.actions
import activities.policies
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.investigate import Investigating
from activities.judge import Judging
from activities.judgement import Judgement
from activities.notify import Notifying
from activities.remediate import Remediating
from signals.catalog import load
from signals.policy import Policy
from signals.subjects import (
    FORENSIC_INVESTIGATOR,
    LIAISON,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    SEARCH_ATTRIBUTES,
)
from tests.workflows.world import CLUSTER, CROWDED, Bucket, Clock, Pages, World, keyring
from workflows.incident import IncidentWorkflow
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER


def temporal_binary() -> str:
    """Return the dev server's path: beside the interpreter, or on PATH."""
    beside = Path(sys.executable).parent / "temporal"
    return str(beside) if beside.exists() else str(shutil.which("temporal"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world() -> AsyncIterator[World]:
    """Yield one world for the whole run; every test makes its own namespace in it."""
    signers, trust, liaison_key = keyring()
    cluster, records, pages, clock = MemoryCluster(CLUSTER), Bucket(), Pages(), Clock()
    attributes = [
        argument
        for name, kind in SEARCH_ATTRIBUTES.items()
        for argument in ("--search-attribute", f"{name}={kind}")
    ]
    quick = [
        argument
        for value in (
            "history.transferProcessorMaxPollRPS=500",
            "history.timerProcessorMaxPollRPS=500",
            f"limit.historyCount.suggestContinueAsNew={CROWDED}",
        )
        for argument in ("--dynamic-config-value", value)
    ]
    policy = Policy()
    async with AsyncExitStack() as stack:
        environment = await stack.enter_async_context(
            await WorkflowEnvironment.start_time_skipping_v2(
                data_converter=pydantic_data_converter,
                dev_server_existing_path=temporal_binary(),
                dev_server_extra_args=[
                    "--dynamic-config-value",
                    "frontend.WorkflowTimeSkippingEnabled=true",
                    *quick,
                    *attributes,
                ],
            )
        )
        stack.enter_context(environment.with_time_skipping_disabled())
        client = environment.client
        executor = Remediating(
            actions=load(activities.actions, Action),
            cluster=cluster,
            records=records,
            trust=trust,
            policy=policy,
            now=clock.now,
        )
        for worker in (
            Worker(
                client,
                task_queue=ORCHESTRATOR,
                workflows=[IncidentWorkflow, RemediationWorkflow],
                workflow_runner=RUNNER,
                activities=[
                    Judging(load(activities.policies, Judgement), policy, signers[ORCHESTRATOR]).judge
                ],
            ),
            Worker(
                client,
                task_queue=REMEDIATION_EXECUTOR,
                activities=[
                    executor.apply_plan,
                    executor.stage_plan,
                    executor.verify_stack,
                    executor.hold_stack,
                    executor.revert_stack,
                    executor.extend_stack,
                ],
            ),
            Worker(
                client,
                task_queue=FORENSIC_INVESTIGATOR,
                activities=[Investigating(cluster, {}).collect_evidence],
            ),
            Worker(client, task_queue=LIAISON, activities=[Notifying({"pages": pages}).tell_people]),
        ):
            await stack.enter_async_context(worker)
        yield World(
            client=client,
            environment=environment,
            cluster=cluster,
            records=records,
            pages=pages,
            clock=clock,
            liaison=signers[LIAISON],
            liaison_key=liaison_key,
            policy=policy,
        )
