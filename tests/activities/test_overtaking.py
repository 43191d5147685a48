"""Attempts that outlive their action: an undo has the last word, however late an older attempt writes."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.adapters.memory import MemoryCluster
from activities.applying import Applying
from activities.ports import NETWORK_POLICIES, PODS
from activities.records import Records
from activities.remediate import Remediating
from activities.upkeep import Upkeep
from signals.approvals import Approval, Verb
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.requests import ExtendRequest, StackRequest
from signals.subjects import LIAISON
from tests.activities.test_applying import ACTIONS, CLUSTER, Interrupted, decide, freely, place
from tests.workflows.world import Bucket, keyring


def now() -> datetime:
    return datetime.now(UTC)


async def untouched(cluster: MemoryCluster) -> bool:
    pod = await cluster.get(PODS.ref("web", "shop"))
    names = [item["metadata"]["name"] for item in await cluster.list(NETWORK_POLICIES, "shop")]
    return pod["metadata"]["labels"] == {"app": "web"} and names == ["theirs"]


async def test_an_apply_that_an_undo_overtakes_leaves_nothing_behind() -> None:
    cluster, records = Interrupted(CLUSTER), Records(Bucket())
    applying = Applying(ACTIONS, cluster, records, now)
    decision = decide(await place(cluster))

    async def undo() -> None:
        known = await records.find(decision.actions[0].id)
        assert known
        await records.store(known.model_copy(update={"state": ActionState.REVERTED}))

    plan = await applying.plan(decision, {}, "d")
    cluster.meanwhile = undo
    (receipt,) = await applying.write(decision, plan, {}, {}, freely)
    assert receipt.state is ActionState.REVERTED
    assert await untouched(cluster)


async def applied(cluster: MemoryCluster, records: Records) -> Receipt:
    applying = Applying(ACTIONS, cluster, records, now)
    decision = decide(await place(cluster))
    (receipt,) = await applying.write(decision, await applying.plan(decision, {}, "d"), {}, {}, freely)
    return receipt


async def test_a_hold_or_a_check_that_comes_after_the_undo_brings_nothing_back() -> None:
    cluster, records = MemoryCluster(CLUSTER), Records(Bucket())
    receipt = await applied(cluster, records)
    upkeep = Upkeep(ACTIONS, cluster, records, now)
    undone = await upkeep.reverted(receipt, [], force=False)

    held, notes = await upkeep.held(receipt)
    assert (held, notes) == (undone, [])
    assert await upkeep.verified(receipt) == undone
    assert await records.find(receipt.action.id) == undone
    assert await untouched(cluster)


@pytest.mark.parametrize("claimed", [99_999_999, -99_999_999])
async def test_an_extension_is_what_was_signed_and_a_retry_adds_nothing(claimed: int) -> None:
    cluster, bucket = MemoryCluster(CLUSTER), Bucket()
    signers, trust, _ = keyring()
    receipt = await applied(cluster, Records(bucket))
    executor = Remediating(
        actions=ACTIONS, cluster=cluster, records=bucket, trust=trust, policy=Policy(), now=now
    )
    said = Approval(
        id="1", cluster=CLUSTER, verb=Verb.EXTEND, incident="case-1", actor="ann", seconds=60, said_at=now()
    )
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(receipt,))
    request = ExtendRequest(stack=stack, seconds=claimed, approval=signers[LIAISON].seal(said))
    assert receipt.expires_at
    for _ in range(2):
        done = await ActivityEnvironment().run(executor.extend_stack, request)
        assert done.receipts[0].expires_at == receipt.expires_at + timedelta(seconds=60)


async def test_nobody_shortens_a_stack_without_a_person() -> None:
    cluster, bucket = MemoryCluster(CLUSTER), Bucket()
    _, trust, _ = keyring()
    receipt = await applied(cluster, Records(bucket))
    executor = Remediating(
        actions=ACTIONS, cluster=cluster, records=bucket, trust=trust, policy=Policy(), now=now
    )
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(receipt,))
    done = await ActivityEnvironment().run(
        executor.extend_stack, ExtendRequest(stack=stack, seconds=-99_999_999)
    )
    assert done.receipts[0].expires_at == receipt.expires_at
