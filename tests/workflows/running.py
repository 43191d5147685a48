"""Starts the world of the workflow tests: a real Temporal server, real workers, and a cluster in a dictionary."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from temporalio.client import Client
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
from activities.owners import Owning
from activities.remediate import Remediating
from signals.authority import Authority
from signals.catalog import load
from signals.envelope import Signer
from signals.policy import AfterExtensions, Policy
from signals.subjects import (
    FORENSIC_INVESTIGATOR,
    LIAISON,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    SEARCH_ATTRIBUTES,
)
from signals.vouching import Voucher
from tests.workflows.world import CLUSTER, CROWDED, Bucket, Clock, Pages, World, keyring
from workflows.incident import IncidentWorkflow
from workflows.remediation import RemediationWorkflow
from workflows.sandbox import RUNNER

ISOLATES = Policy(isolate_steps=(), after_extensions=AfterExtensions.RELEASE, authority=Authority(rules=()))
"""Tier 3 isolates and does nothing more, and one person undoes it: what most tests of workflows are about."""
VOUCHER = Voucher(b"a secret of the tests")

DYNAMIC = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    "history.transferProcessorMaxPollRPS=500",
    "history.timerProcessorMaxPollRPS=500",
    f"limit.historyCount.suggestContinueAsNew={CROWDED}",
)


def temporal_binary() -> str:
    """Return the dev server's path: beside the interpreter, or on PATH."""
    beside = Path(sys.executable).parent / "temporal"
    return str(beside) if beside.exists() else str(shutil.which("temporal"))


async def temporal() -> WorkflowEnvironment:
    """Start a server that can skip time."""
    extra = [argument for value in DYNAMIC for argument in ("--dynamic-config-value", value)]
    for name, kind in SEARCH_ATTRIBUTES.items():
        extra += ["--search-attribute", f"{name}={kind}"]
    return await WorkflowEnvironment.start_time_skipping_v2(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=temporal_binary(),
        dev_server_extra_args=extra,
    )


def workers(
    client: Client,
    executor: Remediating,
    cluster: MemoryCluster,
    pages: Pages,
    orchestrator: Signer,
    clock: Clock,
    policy: Policy,
) -> tuple[Worker, ...]:
    """Return a worker for each agent that has one."""
    return (
        Worker(
            client,
            task_queue=ORCHESTRATOR,
            workflows=[IncidentWorkflow, RemediationWorkflow],
            workflow_runner=RUNNER,
            activities=[
                Judging(load(activities.policies, Judgement), policy, orchestrator, VOUCHER, clock.now).judge
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
                executor.advance_stack,
            ],
        ),
        Worker(
            client,
            task_queue=FORENSIC_INVESTIGATOR,
            activities=[Investigating(cluster, {}).collect_evidence],
        ),
        Worker(
            client,
            task_queue=LIAISON,
            activities=[Notifying({"pages": pages}).tell_people, Owning(cluster, {}, policy).tell_owners],
        ),
    )


@asynccontextmanager
async def running(
    cluster: MemoryCluster | None = None, pages: Pages | None = None, policy: Policy = ISOLATES
) -> AsyncIterator[World]:
    """Yield a world, with this cluster and this channel to people; end everything in it afterwards."""
    signers, trust, liaison_key = keyring()
    cluster, pages = cluster or MemoryCluster(CLUSTER), pages or Pages()
    records, clock = Bucket(), Clock()
    executor = Remediating(
        actions=load(activities.actions, Action),
        cluster=cluster,
        records=records,
        trust=trust,
        policy=policy,
        now=clock.now,
    )
    async with AsyncExitStack() as stack:
        environment = await stack.enter_async_context(await temporal())
        stack.enter_context(environment.with_time_skipping_disabled())
        made = workers(environment.client, executor, cluster, pages, signers[ORCHESTRATOR], clock, policy)
        for worker in made:
            await stack.enter_async_context(worker)
        yield World(
            client=environment.client,
            environment=environment,
            cluster=cluster,
            records=records,
            pages=pages,
            clock=clock,
            liaison=signers[LIAISON],
            voucher=VOUCHER,
            liaison_key=liaison_key,
            policy=policy,
        )
