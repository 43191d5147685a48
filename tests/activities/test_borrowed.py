"""Genuine decisions and requests, sent again by somebody who reaches Temporal and wants what stands put back."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.action import CaseRef
from activities.adapters.memory import MemoryCluster
from activities.orders import Orders
from activities.ports import ENROLMENTS, NETWORK_POLICIES, PODS, Manifest
from activities.records import Records
from activities.remediate import Remediating
from activities.turns import Halted
from signals.approvals import Verb
from signals.decisions import Decision, OnExpiry, PlannedAction
from signals.errors import NotFound, Refused
from signals.plans import ObjectRef
from signals.policy import AfterExtensions, Policy
from signals.receipts import ActionState, Receipt
from signals.requests import (
    AdvanceRequest,
    ApplyRequest,
    Cause,
    Disposition,
    ExtendRequest,
    RevertRequest,
    StackRequest,
)
from signals.subjects import ORCHESTRATOR
from tests.activities.hands import enrolled
from tests.activities.test_applying import ACTIONS, CLUSTER, decide, place
from tests.activities.test_orders import say
from tests.workflows.world import Bucket, keyring

LETS_GO = Policy(after_extensions=AfterExtensions.RELEASE)


class Looked(MemoryCluster):
    """A cluster in which somebody acts while a capture runs."""

    meanwhile: Callable[[], Awaitable[Any]]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if ref.resource != "captures":
            return await super().create(ref, manifest, dry_run=dry_run)
        await self.meanwhile()
        item = {"name": "log", "what": "log of container web", "sha256": "ab", "size": 3}
        return {"status": {"items": [item], "manifest": "cd"}}


class Stand:
    """One executor, its cluster, its clock, and what its decisions are signed with."""

    def __init__(self, policy: Policy) -> None:
        self.cluster, self.bucket, self.orders = Looked(CLUSTER), Bucket(), Orders(Bucket())
        self.at = datetime.now(UTC)
        self.policy = policy
        signers, trust, _ = keyring()
        self.signer = signers[ORCHESTRATOR]
        self.executor = Remediating(
            actions=ACTIONS,
            cluster=self.cluster,
            records=self.bucket,
            trust=trust,
            policy=policy,
            orders=self.orders,
            now=lambda: self.at,
        )

    async def decided(self) -> Decision:
        """Return a signed decision about a pod in an enrolled namespace."""
        target = await place(self.cluster)
        await enrolled(self.cluster, ["shop"])
        update = {"policy_digest": self.policy.digest, "decided_at": self.at, "accepted_at": self.at}
        return self.signer.seal(decide(target).model_copy(update=update))

    async def run(self, activity: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        return await ActivityEnvironment().run(activity, request)

    async def isolated(self) -> tuple[Decision, Receipt]:
        decision = await self.decided()
        outcome = await self.run(self.executor.apply_plan, ApplyRequest(decision=decision))
        assert outcome.disposition is Disposition.APPLIED
        return decision, outcome.receipts[0]

    async def marked(self) -> bool:
        pod = await self.cluster.get(PODS.ref("web", "shop"))
        return any(key.startswith("firebreak.dev/m-") for key in pod["metadata"]["labels"])

    async def left(self) -> list[Any]:
        """Return the exclusions in the policy of somebody else."""
        theirs = await self.cluster.get(NETWORK_POLICIES.ref("theirs", "shop"))
        return list(theirs["spec"]["podSelector"].get("matchExpressions") or [])


@pytest.mark.parametrize("way", ["staged", "old", "stopped"])
async def test_a_decision_that_comes_again_puts_nothing_back_of_which_a_part_is_missing(way: str) -> None:
    """Nobody has verified it yet, and a pipeline has just taken our exclusion out of its policy."""
    stand = Stand(Policy())
    decision, receipt = await stand.isolated()
    ref = NETWORK_POLICIES.ref("theirs", "shop")
    await stand.cluster.patch(ref, [{"op": "remove", "path": "/spec/podSelector/matchExpressions"}])
    request, activity = ApplyRequest(decision=decision), stand.executor.apply_plan
    if way == "staged":
        activity = stand.executor.stage_plan
    elif way == "old":
        stand.at += timedelta(hours=2)
    else:
        await say(stand.cluster, Verb.STOP, "ann")
    await stand.run(activity, request)
    assert await stand.marked()
    known = await Records(stand.bucket).find(receipt.action.id)
    assert known
    assert known.state.stands
    assert bool(await stand.left()) is (way != "stopped")


async def test_a_write_that_was_cut_off_is_taken_back_where_the_namespace_allows_it_no_more() -> None:
    stand = Stand(Policy())
    decision, receipt = await stand.isolated()
    ref = NETWORK_POLICIES.ref("theirs", "shop")
    await stand.cluster.patch(ref, [{"op": "remove", "path": "/spec/podSelector/matchExpressions"}])
    shadow = [{"op": "replace", "path": "/spec/mode", "value": "shadow"}]
    await stand.cluster.patch(ENROLMENTS.ref("shop"), shadow)
    await stand.run(stand.executor.apply_plan, ApplyRequest(decision=decision))
    assert not await stand.marked()
    known = await Records(stand.bucket).find(receipt.action.id)
    assert known
    assert known.state is ActionState.SHADOW


async def test_seconds_of_silence_use_no_extension_up() -> None:
    stand = Stand(LETS_GO)
    _, receipt = await stand.isolated()
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(receipt,))
    stand.at += timedelta(seconds=receipt.action.ttl_seconds - 10)
    for _ in range(LETS_GO.extensions):
        with pytest.raises((Refused, ApplicationError), match="no less"):
            await stand.run(stand.executor.extend_stack, ExtendRequest(stack=stack, seconds=1))
    stand.at += timedelta(seconds=20)
    with pytest.raises((Refused, ApplicationError), match="extended often enough"):
        await stand.run(stand.executor.revert_stack, RevertRequest(stack=stack, cause=Cause.EXPIRED))
    whole = ExtendRequest(stack=stack, seconds=receipt.action.ttl_seconds)
    extended = await stand.run(stand.executor.extend_stack, whole)
    assert extended.receipts[0].extended == 1
    assert await stand.marked()


async def begun_with(stand: Stand, kind: str, state: ActionState = ActionState.APPLIED) -> Receipt:
    """Return the record of a deferred action: begun, and cut off before its first write, unless it is due."""
    target = (await stand.decided()).actions[0].targets[0]
    action = PlannedAction(
        id=uuid.uuid4().hex[:16],
        type=kind,
        targets=(target,),
        index=0,
        ttl_seconds=600,
        on_expiry=OnExpiry.ASK,
        summary=kind,
        deferred=True,
    )
    case = CaseRef(incident="case-1", expires_at=stand.at + timedelta(hours=1))
    plan = await ACTIONS[kind].plan(stand.cluster, action, case)
    begun = Receipt(
        action=action,
        incident="case-1",
        cluster=CLUSTER,
        plan=plan,
        plan_hash="",
        state=state,
        applied_at=stand.at,
        expires_at=case.expires_at,
    )
    return await Records(stand.bucket).remember(begun)


async def test_an_eviction_that_was_cut_off_waits_for_the_resume_like_one_whose_turn_has_not_come() -> None:
    stand = Stand(Policy())
    begun = await begun_with(stand, "evict_pod")
    uid = await say(stand.cluster, Verb.STOP, "ann")
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(begun,))
    request = AdvanceRequest(stack=stack, action=begun.action.id)
    with pytest.raises(Halted):
        await stand.run(stand.executor.advance_stack, request)
    assert await stand.cluster.get(PODS.ref("web", "shop"))
    for actor in ("ann", "bob"):
        await say(stand.cluster, Verb.RESUME, actor, stop=uid)
    await stand.run(stand.executor.advance_stack, request)
    with pytest.raises(NotFound):
        await stand.cluster.get(PODS.ref("web", "shop"))


async def test_who_has_a_capture_verified_while_it_runs_hides_nothing_that_came_of_it() -> None:
    stand = Stand(Policy())
    begun = await begun_with(stand, "capture_evidence")
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(begun,))

    async def verified() -> None:
        seen = await stand.run(stand.executor.verify_stack, stack)
        assert seen.receipts[0].state is not ActionState.APPLIED

    stand.cluster.meanwhile = verified
    done = await stand.run(stand.executor.advance_stack, AdvanceRequest(stack=stack, action=begun.action.id))
    assert done.receipts[0].state is ActionState.DONE
    assert done.receipts[0].evidence[0].what == "log of container web"
