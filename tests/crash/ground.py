"""The stack that is killed: durable, on real servers, with agents that can die at any point."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.adapters.kubernetes import KubernetesCluster
from tests.crash.mortal import PROXY
from tests.crash.proxy import Proxy
from tests.crash.trial import CERTAIN
from tests.vertical.stage import Stage
from workers.cli.clusters import connected
from workers.cli.drill.run import target_of
from workers.cli.ledger import Ledger
from workers.stack.layout import Layout
from workers.stack.options import Options
from workers.stack.run import Stack

MORTAL = Path(__file__).with_name("mortal.py")
POLICY = {
    "rules": {CERTAIN: {"confidence": 0.99, "severity": "critical"}},
    "alone": [CERTAIN, "reverse_shell"],
    "caps": {"per_cluster": 60},  # reached in the middle of a long run: both ways are shaken
    "breaker": {"owners_percent": 100, "floor": 100},
    "authority": {"rules": []},
}


def state_dir(root: Path) -> Path:
    """Return where the stack of a run keeps its state."""
    return root / "state"


@asynccontextmanager
async def proxied(root: Path) -> AsyncIterator[tuple[Stage, Proxy]]:
    """Start the same with a proxy before the API server."""
    async with Proxy(Layout(state_dir(root).absolute())) as proxy, shaken(root, proxy=proxy) as stage:
        yield stage, proxy


@asynccontextmanager
async def shaken(root: Path, variant: str = "", proxy: Proxy | None = None) -> AsyncIterator[Stage]:
    """Start a durable stack of agents that can be killed at any point, unsafe in one way if a variant is named.

    Those that write reach the API server through the proxy, if there is one.
    """
    fates = root / "fates"
    fates.mkdir(exist_ok=True)
    policy = root / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    if proxy:
        (fates / PROXY).write_text(proxy.url)
    command = (sys.executable, "-P", str(MORTAL), str(fates), *([variant] if variant else []))
    options = Options(state_dir=state_dir(root), agent_command=command, settings={"policy_file": str(policy)})
    async with Stack(options) as stack:
        temporal = await Client.connect(
            stack.status.endpoints.temporal or "", data_converter=pydantic_data_converter
        )
        async with connected(target_of(stack.status).administrator()) as cluster:
            assert isinstance(cluster, KubernetesCluster)
            yield Stage(stack=stack, fates=fates, cluster=cluster, temporal=temporal, ledger=Ledger(temporal))
