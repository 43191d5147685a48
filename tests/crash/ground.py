"""The stack that is killed: durable, on real servers, with agents that can die at any point."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.adapters.kubernetes import KubernetesCluster
from tests.crash.trial import CERTAIN
from tests.vertical.stage import Stage
from workers.cli.clusters import connected
from workers.cli.drill.run import target_of
from workers.cli.ledger import Ledger
from workers.stack.options import Options
from workers.stack.run import Stack

MORTAL = Path(__file__).with_name("mortal.py")
POLICY = {
    "rules": {CERTAIN: {"confidence": 0.99, "severity": "critical"}},
    "alone": [CERTAIN, "reverse_shell"],
    "breaker": {"owners_percent": 100, "floor": 100},
}


@asynccontextmanager
async def shaken(root: Path, variant: str = "") -> AsyncIterator[Stage]:
    """Start a durable stack of agents that can be killed at any point, unsafe in one way if a variant is named."""
    fates = root / "fates"
    fates.mkdir(exist_ok=True)
    policy = root / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    command = (sys.executable, "-P", str(MORTAL), str(fates), *([variant] if variant else []))
    options = Options(state_dir=root / "state", agent_command=command, settings={"policy_file": str(policy)})
    async with Stack(options) as stack:
        temporal = await Client.connect(
            stack.status.endpoints.temporal or "", data_converter=pydantic_data_converter
        )
        async with connected(target_of(stack.status).administrator()) as cluster:
            assert isinstance(cluster, KubernetesCluster)
            yield Stage(stack=stack, fates=fates, cluster=cluster, temporal=temporal, ledger=Ledger(temporal))
