"""The least that Temporal and the API server can do together: one activity that creates one bare NetworkPolicy."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

QUEUE = "bench-ceiling"
KIND = "firebreak-bench"


@dataclass
class Bare:
    """Where the one policy is created."""

    namespace: str


class Writing:
    """The activity, with the cluster that it writes to."""

    def __init__(self, cluster: object) -> None:
        """Write to this cluster (untyped: the sandbox must not load adapters)."""
        self._cluster = cluster

    @activity.defn
    async def write_bare(self, bare: Bare) -> None:
        """Create the policy."""
        from activities.ports import NETWORK_POLICIES

        spec = {"podSelector": {"matchLabels": {KIND: "none"}}, "policyTypes": ["Ingress"]}
        manifest = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {},
            "spec": spec,
        }
        await self._cluster.create(NETWORK_POLICIES.ref(KIND, bare.namespace), manifest)  # type: ignore[attr-defined]


@workflow.defn
class CeilingWorkflow:
    """One signal, one activity, nothing else."""

    def __init__(self) -> None:
        """Wait for the signal."""
        self._bare: Bare | None = None

    @workflow.signal
    def go(self, bare: Bare) -> None:
        """Say where."""
        self._bare = bare

    @workflow.run
    async def run(self) -> None:
        """Write."""
        await workflow.wait_condition(lambda: self._bare is not None)
        assert self._bare
        await workflow.execute_activity_method(
            Writing.write_bare, self._bare, start_to_close_timeout=timedelta(seconds=10)
        )
