"""Races between planning and writing: somebody else changes the cluster under a plan."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import activities.actions
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.applying import Applying
from activities.ports import NAMESPACES, NETWORK_POLICIES, PODS, Manifest
from activities.records import Records
from activities.ruling import WRITE, Ruling
from signals.catalog import load
from signals.decisions import Decision, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, ObjectRef
from signals.receipts import ActionState, Receipt
from signals.requests import Disposition
from signals.threats import Mode, Severity
from tests.workflows.world import Bucket

CLUSTER = ClusterRef(name="test", uid="races")
ACTIONS = load(activities.actions, Action)


class Interrupted(MemoryCluster):
    """A memory cluster in which somebody else acts once, right after our first write."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        made = await super().create(ref, manifest, dry_run=dry_run)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile and not dry_run:
            await meanwhile()
        return made


async def place(cluster: MemoryCluster) -> Entity:
    await cluster.create(NAMESPACES.ref("shop"), {"kind": "Namespace", "metadata": {}})
    pod = await cluster.create(
        PODS.ref("web", "shop"),
        {"kind": "Pod", "metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
    )
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    }
    await cluster.create(
        NETWORK_POLICIES.ref("theirs", "shop"), {"kind": "NetworkPolicy", "metadata": {}, "spec": spec}
    )
    return Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web", uid=pod["metadata"]["uid"])


def decide(target: Entity) -> Decision:
    action = PlannedAction(
        id=uuid.uuid4().hex[:16],
        type="isolate_pod",
        targets=(target,),
        index=0,
        ttl_seconds=600,
        on_expiry=OnExpiry.ASK,
        summary="cut it off",
    )
    return Decision(
        incident="case-1",
        cluster=CLUSTER,
        revision=1,
        tier=Tier.ISOLATE,
        confidence=0.9,
        severity=Severity.HIGH,
        mode=Mode.AUTO,
        title="t",
        terms=(),
        actions=(action,),
        policy_digest="d",
        events=("e",),
        decided_at=datetime.now(UTC),
    )


async def freely(receipt: Receipt, plan: ActionPlan) -> Ruling:
    """Let everything be written."""
    return WRITE


async def carry_out(
    cluster: MemoryCluster, approved_by: str | None = None, ruling: Ruling = WRITE
) -> tuple[Applying, Records, Any]:
    records = Records(Bucket())
    applying = Applying(ACTIONS, cluster, records, lambda: datetime.now(UTC))
    decision = decide(await place(cluster))
    plan = await applying.plan(decision, {}, "d")

    async def edit() -> None:
        operations: Sequence[Manifest] = [
            {"op": "add", "path": "/spec/ingress", "value": [{"ports": [{"port": 80}]}]}
        ]
        await cluster.patch(NETWORK_POLICIES.ref("theirs", "shop"), operations)

    if isinstance(cluster, Interrupted):
        cluster.meanwhile = edit

    async def judged(receipt: Receipt, plan: ActionPlan) -> Ruling:
        return ruling

    approvals = {decision.actions[0].id: approved_by} if approved_by else {}
    (receipt,) = await applying.write(decision, plan, {}, approvals, judged)
    return applying, records, receipt


async def test_a_policy_edited_under_the_plan_is_planned_anew_and_left_as_its_author_made_it() -> None:
    cluster = Interrupted(CLUSTER)
    _, records, receipt = await carry_out(cluster)

    theirs = await cluster.get(NETWORK_POLICIES.ref("theirs", "shop"))
    assert receipt.state is ActionState.APPLIED
    assert theirs["spec"]["ingress"] == [{"ports": [{"port": 80, "protocol": "TCP"}]}]
    assert theirs["spec"]["podSelector"]["matchExpressions"]
    assert await records.find(receipt.action.id) == receipt


async def test_a_plan_made_anew_is_judged_anew_and_not_written_where_a_person_must_decide_by_now() -> None:
    cluster = Interrupted(CLUSTER)
    asks = Ruling(disposition=Disposition.STAGED, reason="the namespace is in approve mode by now")
    _, records, receipt = await carry_out(cluster, ruling=asks)

    assert receipt.state is ActionState.FAILED
    assert "approve mode by now" in receipt.reason
    assert [item["metadata"]["name"] for item in await cluster.list(NETWORK_POLICIES, "shop")] == ["theirs"]
    assert await records.find(receipt.action.id) == receipt


async def test_what_a_person_approved_is_never_swapped_for_another_plan() -> None:
    cluster = Interrupted(CLUSTER)
    _, _, receipt = await carry_out(cluster, approved_by="oncall")

    assert receipt.state is ActionState.FAILED
    assert "taken back" in receipt.reason
    assert [item["metadata"]["name"] for item in await cluster.list(NETWORK_POLICIES, "shop")] == ["theirs"]
    pod = await cluster.get(PODS.ref("web", "shop"))
    assert pod["metadata"]["labels"] == {"app": "web"}


async def test_an_attempt_that_comes_second_writes_what_the_first_has_planned() -> None:
    cluster = MemoryCluster(CLUSTER)
    applying, records, first = await carry_out(cluster)
    decision = decide(first.action.target).model_copy(update={"actions": (first.action,)})
    recorded = await applying.recorded(decision)
    again = await applying.write(decision, await applying.plan(decision, recorded, "d"), recorded, {}, freely)

    assert again == (first,)
    assert len(await cluster.list(NETWORK_POLICIES, "shop")) == 2
    assert await records.find(first.action.id) == first
