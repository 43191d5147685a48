"""What one scenario needs besides the sample application: put up before it is played, taken away afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import yaml

from activities.ports import DEPLOYMENTS, PODS, REPLICA_SETS, Cluster, Manifest
from signals.errors import Conflict, NotFound, StackError
from signals.plans import ObjectRef
from workers.cli.drill import app
from workers.cli.drill.scenario import Scenario
from workers.cli.patience import patiently


@asynccontextmanager
async def standing(cluster: Cluster, scenario: Scenario, *, memory: bool) -> AsyncIterator[None]:
    """Yield while the workload that a scenario names stands, if it names one.

    Raises:
        StackError: its pods do not run in time.
    """
    if not scenario.besides:
        yield
        return
    text = files("deploy").joinpath("drill", scenario.besides).read_text("utf-8")
    deployment: Manifest = yaml.safe_load(text)
    await taken_away(cluster, deployment)
    await app.created(cluster, deployment)
    if memory:
        name = deployment["metadata"]["name"]
        await app.controlled(cluster, await cluster.get(DEPLOYMENTS.ref(name, scenario.namespace)))
    try:
        await _running(cluster, deployment)
        yield
    finally:
        await taken_away(cluster, deployment)


async def _running(cluster: Cluster, deployment: Manifest) -> None:
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    deadline = asyncio.get_running_loop().time() + app.RUNNING_SECONDS
    while len(await app.part(cluster, name, namespace)) < deployment["spec"]["replicas"]:
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"the pods of {namespace}/{name} do not run")
        await asyncio.sleep(0.1)


async def taken_away(cluster: Cluster, deployment: Manifest) -> None:
    """Delete a workload and wait until its pods are gone, whoever deletes those."""
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    await _deleted(cluster, DEPLOYMENTS.ref(name, namespace))
    deadline = asyncio.get_running_loop().time() + app.RUNNING_SECONDS
    while True:
        sets = await patiently(lambda: cluster.list(REPLICA_SETS, namespace, labels=f"app={name}"))
        pods = await patiently(lambda: cluster.list(PODS, namespace, labels=f"app={name}"))
        if not sets and not pods:
            return
        for kind, found in ((REPLICA_SETS, sets), (PODS, pods)):
            for one in found:
                await _deleted(cluster, kind.ref(one["metadata"]["name"], namespace, one["metadata"]["uid"]))
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"the pods of {namespace}/{name} do not go away")
        await asyncio.sleep(0.2)


async def _deleted(cluster: Cluster, ref: ObjectRef) -> None:
    try:
        await patiently(lambda: cluster.delete(ref))
    except (NotFound, Conflict):
        return
