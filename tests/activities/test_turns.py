"""A deferred action whose turn has come: what is asked before it is begun, and of whom."""

import pytest

from activities import turns
from activities.ports import POD_DISRUPTION_BUDGETS, PODS
from signals.errors import Unavailable
from signals.plans import ObjectRef
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.requests import AdvanceRequest, StackRequest
from tests.activities.test_applying import CLUSTER
from tests.activities.test_borrowed import Looked, Stand, begun_with


class Busy(Looked):
    """A cluster that is too busy for the next dry runs of an eviction."""

    left = 0

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        if dry_run and self.left:
            self.left -= 1
            raise Unavailable("too busy")
        await super().evict(ref, grace_seconds=grace_seconds, dry_run=dry_run)


BUDGET = {
    "kind": "PodDisruptionBudget",
    "spec": {"selector": {}},
    "status": {"disruptionsAllowed": 0, "observedGeneration": 1},
}


async def turn(stand: Stand, *, refused: bool = False) -> Receipt:
    """Carry out an eviction that is due, of a pod that somebody brings back; a budget may refuse it."""
    due = await begun_with(stand, "evict_pod", ActionState.DUE)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    await stand.cluster.patch(
        PODS.ref("web", "shop"), [{"op": "add", "path": "/metadata/ownerReferences", "value": [owner]}]
    )
    if refused:
        await stand.cluster.create(POD_DISRUPTION_BUDGETS.ref("all", "shop"), BUDGET)
    stack = StackRequest(incident="case-1", cluster=CLUSTER, receipts=(due,))
    request = AdvanceRequest(stack=stack, action=due.action.id)
    receipt: Receipt = (await stand.run(stand.executor.advance_stack, request)).receipts[0]
    return receipt


@pytest.mark.parametrize(("busy", "state"), [(turns.ASKED - 1, "done"), (turns.ASKED, "failed")])
async def test_a_busy_server_is_asked_again_before_a_turn_fails(
    monkeypatch: pytest.MonkeyPatch, busy: int, state: str
) -> None:
    monkeypatch.setattr(turns, "BUSY_SECONDS", 0.001)
    monkeypatch.setattr("tests.activities.test_borrowed.Looked", Busy)
    stand = Stand(Policy())
    assert isinstance(stand.cluster, Busy)
    stand.cluster.left = busy
    receipt = await turn(stand)
    assert (receipt.state, receipt.reason) == (state, "too busy" if state == "failed" else "")


@pytest.mark.parametrize("refused", [False, True])
async def test_where_a_cap_has_no_room_a_person_is_asked_whatever_a_dry_run_would_say(refused: bool) -> None:
    stand = Stand(Policy.model_validate({"caps": {"per_owner": 0}}))
    receipt = await turn(stand, refused=refused)
    assert (receipt.state, receipt.group.partition("/")[0]) == (ActionState.STAGED, "caps")
    assert await stand.cluster.get(PODS.ref("web", "shop"))


async def test_what_a_budget_refuses_has_failed_and_takes_no_slot() -> None:
    stand = Stand(Policy())
    receipt = await turn(stand, refused=True)
    assert receipt.state is ActionState.FAILED
    assert "disruption budget" in receipt.reason
    assert await stand.bucket.get("caps.evict_pod") is None
