"""The executor judges everything that a plan writes to, not only the targets that a decision names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.adapters.memory import MemoryCluster
from activities.applying import Applying
from activities.authority import Authority
from activities.breaker import Breaker
from activities.ports import ENROLMENTS, NAMESPACES, PODS
from activities.records import Records
from activities.ruling import Ruling
from signals.entities import Entity
from signals.policy import Policy
from signals.requests import Disposition
from signals.threats import Peer
from tests.activities.test_applying import ACTIONS, CLUSTER, decide, place
from tests.workflows.world import Bucket, keyring


async def enrol(cluster: MemoryCluster, namespace: str, mode: str) -> None:
    enrolment: dict[str, Any] = {"kind": "Enrolment", "metadata": {}, "spec": {"mode": mode}}
    await cluster.create(ENROLMENTS.ref(namespace), enrolment)


async def peer(cluster: MemoryCluster, labels: dict[str, str]) -> Entity:
    await cluster.create(NAMESPACES.ref("other"), {"kind": "Namespace", "metadata": {}})
    pod: dict[str, Any] = {"kind": "Pod", "metadata": {"labels": labels}, "spec": {"containers": []}}
    pod["status"] = {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}
    made = await cluster.create(PODS.ref("peer", "other"), pod)
    return Entity(cluster=CLUSTER, kind="Pod", namespace="other", name="peer", uid=made["metadata"]["uid"])


async def ruled(cluster: MemoryCluster, other: Entity) -> Ruling:
    """Return what may be done with a block of the flow from one pod to another."""
    decision = decide(await place(cluster))
    await enrol(cluster, "shop", "auto")
    asked = {"type": "block_flow", "peer": Peer(address="10.0.0.9", port=443, pod=other)}
    action = decision.actions[0].model_copy(update=asked)
    decision = decision.model_copy(update={"actions": (action,), "execute": True})
    applying = Applying(ACTIONS, cluster, Records(Bucket()), lambda: datetime.now(UTC))
    plan = await applying.plan(decision, {}, "d")
    assert {write.ref.namespace for write in plan.actions[0].writes} == {"shop", "other"}
    breaker = Breaker(Bucket(), Policy(), lambda: datetime.now(UTC))
    return (await Authority(cluster, keyring()[1], Policy(), breaker).rule(decision, plan, None))[action.id]


@pytest.mark.parametrize(
    ("mode", "disposition"),
    [
        ("auto", Disposition.APPLIED),
        ("approve", Disposition.STAGED),
        ("shadow", Disposition.SHADOW),
        (None, Disposition.REFUSED),
    ],
)
async def test_the_strictest_mode_of_all_that_is_written_to_counts(
    mode: str | None, disposition: Disposition
) -> None:
    cluster = MemoryCluster(CLUSTER)
    if mode:
        await enrol(cluster, "other", mode)
    assert (await ruled(cluster, await peer(cluster, {"app": "db"}))).disposition is disposition


async def test_a_mark_on_the_control_plane_at_the_other_end_is_for_the_lead() -> None:
    cluster = MemoryCluster(CLUSTER)
    await enrol(cluster, "other", "auto")
    ruling = await ruled(cluster, await peer(cluster, {"k8s-app": "coredns"}))
    assert (ruling.disposition, ruling.roles) == (Disposition.STAGED, ("lead",))
