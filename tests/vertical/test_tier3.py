"""Tier 3 to its end on the real control plane, with the policy that there is if nobody says anything.

The pods are those of a Deployment: the controllers replace what was evicted, and count what a budget allows.
"""

import json

import pytest

from activities.ports import (
    DEPLOYMENTS,
    FREEZES,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    Manifest,
)
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState, Receipt, Result
from signals.subjects import REMEDIATION_EXECUTOR
from tests.vertical.audit import doubled, written
from tests.vertical.scene import ATTACKER, EGRESS, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, until
from tests.vertical.test_hands import granted, used
from workers.stack.kubernetes import NODES

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

UNSEEN = {("rbac.authorization.k8s.io", "clusterroles", "bind")}
"""The API server asks for it when the capturer is bound, without a request of its own."""
STEPS = ["isolate_pod", "capture_evidence", "freeze_credentials", "evict_pod"]


async def deployed(here: Scene, budget: int | None = None) -> Manifest:
    """Run two pods of a Deployment, with a budget of so many that may be missing; return one of them."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"nodeName": NODES[0], "containers": [{"name": "web", "image": "registry.example/web:1"}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": selector, "template": template},
    }
    await here.policy()
    await here.cluster.create(DEPLOYMENTS.ref("web", here.namespace), body)
    if budget is not None:
        await here.cluster.create(
            POD_DISRUPTION_BUDGETS.ref("web", here.namespace),
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "web"},
                "spec": {"maxUnavailable": budget, "selector": selector},
            },
        )
    return (await running(here, 2))[0]


async def running(here: Scene, count: int, without: str = "") -> list[Manifest]:
    """Return the running pods of a namespace once there are so many, without the one of this UID."""
    found: list[Manifest] = []

    async def look() -> bool:
        pods = await here.cluster.list(PODS, here.namespace)
        found[:] = [pod for pod in pods if pod["status"].get("phase") == "Running"]
        found[:] = [pod for pod in found if pod["metadata"]["uid"] != without]
        return len(found) == len(pods) == count

    await until(look, lambda: f"{[one['metadata']['name'] for one in found]} run", pause=0.05)
    return found


def by_type(incident: Incident) -> dict[str, Receipt]:
    return {receipt.action.type: receipt for receipt in incident.receipts}


def states(incident: Incident) -> dict[str, ActionState]:
    return {receipt.action.type: receipt.state for receipt in incident.receipts}


def played(incident: Incident) -> bool:
    """Whether every step had its turn, and what was applied was looked at."""
    found = states(incident)
    return len(found) == len(STEPS) and not {*found.values()} & {ActionState.DUE, ActionState.APPLIED}


async def frozen(stage: Stage, here: Scene) -> list[str]:
    """Return the pods of a namespace whose credentials are frozen."""
    return [one["spec"]["pod"] for one in await stage.cluster.list(FREEZES) if _of(one, here)]


def _of(freeze: Manifest, here: Scene) -> bool:
    return bool(freeze["spec"].get("namespace", freeze["metadata"].get("namespace")) == here.namespace)


async def test_a_pod_is_isolated_looked_at_frozen_and_evicted_and_its_successor_runs_free(
    whole: Stage,
) -> None:
    async with whole.scene() as here:
        pod = await deployed(here)
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        await whole.post(here.alert(REVERSE_SHELL, pod))
        evicted = await whole.incident(here, lambda one: states(one).get("evict_pod") is ActionState.DONE)
        assert [receipt.action.type for receipt in evicted.receipts] == STEPS, "evidence before destruction"
        kept = {item.what for item in by_type(evicted)["capture_evidence"].evidence if not item.failed}
        assert {f"pod {name}", f"events of {name}"} <= kept
        checks = by_type(evicted)["evict_pod"].checks
        assert [one.result for one in checks if one.what == "object"] == [Result.PASSED], checks
        assert evicted.summary.state is IncidentState.CONTAINED
        successors = await running(here, 2, without=uid)
        assert all([await here.reaches(one, ATTACKER) for one in successors])
        assert (await whole.say(Verb.CLOSE, evicted.summary.id, undo=True)).accepted
        assert await frozen(whole, here) == []
        left = await whole.cluster.list(NETWORK_POLICIES, here.namespace)
        assert [one["metadata"]["name"] for one in left] == ["web"]
        ours = written(whole.stack.layout.audit_log, here.namespace)
        assert [str(one) for one in ours].count(f"create pods/{name}/eviction") == 1
        assert doubled(ours) == []


async def test_a_budget_that_refuses_leaves_the_pod_isolated_and_frozen_and_says_what_is_left(
    whole: Stage,
) -> None:
    async with whole.scene() as here:
        pod = await deployed(here, budget=0)
        name = pod["metadata"]["name"]
        await whole.post(here.alert(REVERSE_SHELL, pod))
        incident = await whole.incident(here, played)
        refused = by_type(incident)["evict_pod"]
        assert (refused.state, "disruption budget" in refused.reason) == (ActionState.FAILED, True)
        assert incident.summary.state is IncidentState.PARTIALLY_CONTAINED
        code, told, _ = await whole.firebreak("describe", incident.summary.id)
        assert (code, "disruption budget" in told) == (0, True)
        pages = [line for line in whole.stack.layout.pages.read_text().splitlines() if name in line]
        assert any("did not come about" in line and "disruption budget" in line for line in pages)
        assert await frozen(whole, here) == [name]
        assert not await here.reaches(pod, ATTACKER)
        assert pod["metadata"]["uid"] in {one["metadata"]["uid"] for one in await running(here, 2)}
        ours = [str(one) for one in written(whole.stack.layout.audit_log, here.namespace)]
        assert f"create pods/{name}/eviction" not in ours
        assert (await whole.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted
        assert await frozen(whole, here) == []
        assert await here.reaches(pod, ATTACKER)


async def test_the_freezer_believes_a_persons_approval_that_the_executor_passes_on(whole: Stage) -> None:
    async with whole.scene("approve") as here:
        pod = await deployed(here, budget=0)
        await whole.post(here.alert(REVERSE_SHELL, pod))
        asked = await whole.incident(here, lambda one: one.summary.waiting_for is not None)
        assert {receipt.state for receipt in asked.receipts} == {ActionState.STAGED}
        assert [receipt.action.type for receipt in asked.receipts] == STEPS
        assert await frozen(whole, here) == []
        name = asked.summary.id
        assert (await whole.firebreak("approve", name, "--reason", "seen it too"))[0] == 0
        done = await whole.incident(here, played)
        assert {receipt.approved_by for receipt in done.receipts} == {"oncall"}
        assert states(done)["freeze_credentials"].stands
        assert states(done)["capture_evidence"] is ActionState.DONE
        assert await frozen(whole, here) == [pod["metadata"]["name"]]
        assert (await whole.say(Verb.CLOSE, name, undo=True)).accepted
        assert await frozen(whole, here) == []


async def test_the_executor_uses_every_right_that_it_has_and_no_other(whole: Stage) -> None:
    async with whole.scene() as here:
        pod = await deployed(here)
        await whole.post(here.alert(EGRESS, pod))
        blocked = await whole.incident(here, settled)
        assert [receipt.action.type for receipt in blocked.receipts] == ["block_flow", "annotate_pod"]
        await whole.post(here.alert(REVERSE_SHELL, pod))
        risen = await whole.incident(here, lambda one: states(one).get("evict_pod") is ActionState.DONE)
        assert {*STEPS} <= {*states(risen)}
        assert (await whole.say(Verb.CLOSE, risen.summary.id, undo=True)).accepted
    log = whole.stack.layout.audit_log
    assert used(log, REMEDIATION_EXECUTOR) | UNSEEN == granted(REMEDIATION_EXECUTOR)


async def test_the_drill_claims_every_step_and_says_what_could_not_be_had(whole: Stage) -> None:
    code, out, err = await whole.firebreak("drill", "reverse-shell", "--yes", "-o", "json")
    (outcome,) = json.loads(out)
    claims = {check["what"]: check["detail"] for check in outcome["checks"]}
    assert code == 0, (claims, err)
    assert "could not be had" in claims["evidence was captured first"], "a node that kwok plays runs nothing"
    assert "its credentials are frozen" in claims
    assert "disruption budget" in claims["the budget of the shop refuses the eviction, and that is said"]
