"""Containment holds while the world around it changes, and says so where it cannot."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from activities import actions, writing
from activities.action import Action
from activities.adapters.memory import MemoryCluster
from activities.foresight import Foreseen
from activities.graph.network_policy import End, World, allowed
from activities.ports import DAEMON_SETS, NETWORK_POLICIES, PODS, Cluster
from signals.catalog import load
from signals.plans import Plan
from signals.receipts import Receipt, Result
from tests.activities.acting import CASE, receipt
from tests.activities.clusters import fresh_namespace, real
from tests.activities.scenes import OUTSIDE, Scene, policy, scene

ACTIONS = load(actions, Action)
OPEN = {"podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"]}


@pytest_asyncio.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    if request.param == "memory":
        yield MemoryCluster()
        return
    async with real(request.getfixturevalue("control_plane"), tmp_path) as one:
        yield one


@pytest_asyncio.fixture
async def here(cluster: Cluster) -> Scene:
    return await scene(cluster, await fresh_namespace(cluster))


async def applied(cluster: Cluster, here: Scene, kind: str) -> Receipt:
    plan = await ACTIONS[kind].plan(cluster, here.action(cluster, kind), CASE)
    await writing.apply(cluster, plan)
    return receipt(cluster, plan)


async def held(cluster: Cluster, known: Receipt) -> Receipt:
    missing = await ACTIONS[known.action.type].hold(cluster, known)
    assert missing
    await writing.apply(cluster, known.plan.model_copy(update={"writes": missing}))
    longer = known.plan.model_copy(update={"writes": (*known.plan.writes, *missing)})
    return known.model_copy(update={"plan": longer})


async def open_to(cluster: Cluster, here: Scene, address: str, port: int) -> bool:
    """Return whether the suspect may connect to an address outside."""
    world = World(await cluster.list(NETWORK_POLICIES, here.space), {here.space: {}})
    suspect = End.pod(await cluster.get(PODS.ref("web-0", here.space)))
    return allowed(world, suspect, End((address,)), ("TCP", port))


async def failures(cluster: Cluster, known: Receipt) -> str:
    checks = await ACTIONS[known.action.type].verify(cluster, known)
    return "; ".join(check.how for check in checks if check.result is Result.FAILED)


@pytest.mark.parametrize("kind", ["isolate_pod", "block_flow"])
async def test_a_policy_that_is_created_meanwhile_is_seen_and_closed(
    cluster: Cluster, here: Scene, kind: str
) -> None:
    before = await here.bytes(cluster)
    known = await applied(cluster, here, kind)
    assert not await open_to(cluster, here, OUTSIDE, 443)
    await policy(cluster, here.space, "later", OPEN)
    assert await open_to(cluster, here, OUTSIDE, 443)
    assert "later" in await failures(cluster, known)
    known = await held(cluster, known)
    assert not await open_to(cluster, here, OUTSIDE, 443)
    assert await open_to(cluster, here, OUTSIDE, 444) == (kind == "block_flow")
    assert not await failures(cluster, known)
    await writing.revert(cluster, known.plan)
    await cluster.delete(NETWORK_POLICIES.ref("later", here.space))
    assert await here.bytes(cluster) == before


async def test_a_policy_that_allows_nothing_is_never_edited(cluster: Cluster, here: Scene) -> None:
    await policy(cluster, here.space, "deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    known = await applied(cluster, here, "isolate_pod")
    assert "deny" not in {write.ref.name for write in known.plan.writes}
    assert not await failures(cluster, known)
    await cluster.patch(
        NETWORK_POLICIES.ref("deny", here.space), [{"op": "add", "path": "/spec/egress", "value": [{}]}]
    )
    assert "deny" in await failures(cluster, known)
    await held(cluster, known)
    assert not await open_to(cluster, here, OUTSIDE, 443)


@pytest.mark.parametrize(
    ("marks", "manager"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm"),
    ],
)
@pytest.mark.parametrize("kind", ["isolate_pod", "block_flow"])
async def test_what_gitops_manages_is_never_edited_and_the_plan_says_why(
    cluster: Cluster, here: Scene, kind: str, marks: dict[str, dict[str, str]], manager: str
) -> None:
    await policy(cluster, here.space, "theirs", OPEN, **marks)
    plan = await ACTIONS[kind].plan(cluster, here.action(cluster, kind), CASE)
    assert plan.writes == ()
    assert f"networkpolicies/{here.space}/theirs is managed by {manager}" in plan.blocked
    assert "then approve" in plan.blocked


@pytest.mark.parametrize("kind", ["isolate_pod", "block_flow"])
async def test_what_gitops_brings_meanwhile_is_told_and_not_edited(
    cluster: Cluster, here: Scene, kind: str
) -> None:
    known = await applied(cluster, here, kind)
    later = await policy(
        cluster, here.space, "later", OPEN, labels={"kustomize.toolkit.fluxcd.io/name": "shop"}
    )
    assert "later" in await failures(cluster, known)
    assert "Flux" in await failures(cluster, known)
    assert await ACTIONS[kind].hold(cluster, known) == ()
    assert await cluster.get(NETWORK_POLICIES.ref("later", here.space)) == later


@pytest.mark.stack
async def test_the_field_manager_of_a_controller_is_enough(control_plane: object, tmp_path: Path) -> None:
    async with real(control_plane, tmp_path) as cluster:  # type: ignore[arg-type] # a fixture's value
        here = await scene(cluster, await fresh_namespace(cluster))
        manifest = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "theirs"},
            "spec": OPEN,
        }
        path = f"/apis/networking.k8s.io/v1/namespaces/{here.space}/networkpolicies"
        answer = control_plane.admin.call("POST", f"{path}?fieldManager=kustomize-controller", manifest)  # type: ignore[attr-defined]
        assert answer.status == 201
        plan = await ACTIONS["isolate_pod"].plan(cluster, here.action(cluster, "isolate_pod"), CASE)
    assert "is managed by Flux" in plan.blocked


async def test_nobody_measured_the_flow_and_the_check_says_so(here: Scene, cluster: Cluster) -> None:
    known = await applied(cluster, here, "isolate_pod")
    (check,) = [
        check for check in await ACTIONS["isolate_pod"].verify(cluster, known) if check.what == "flow"
    ]
    assert check.result is Result.UNKNOWN
    assert check.how == "nothing enforces policies here"


async def test_an_enforcer_is_named_where_there_is_one() -> None:
    memory = MemoryCluster()
    here = await scene(memory, await fresh_namespace(memory))
    manifest = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "calico-node"}}
    await memory.create(DAEMON_SETS.ref("calico-node", "kube-system"), manifest)
    known = await applied(memory, here, "isolate_pod")
    checks = await ACTIONS["isolate_pod"].verify(memory, known)
    assert "calico-node enforces policies here" in checks[-1].how


async def test_two_blocks_of_one_decision_close_both_flows(cluster: Cluster, here: Scene) -> None:
    """Planned each on its own they would allow each other's flow, because policies only add up."""
    await policy(cluster, here.space, "open", OPEN)
    first = here.action(cluster, "block_flow", 0)
    assert first.peer is not None
    other = first.peer.model_copy(update={"port": 80})
    second = here.action(cluster, "block_flow", 1).model_copy(update={"peer": other})
    plans = [await ACTIONS["block_flow"].plan(cluster, first, CASE)]
    plans.append(await ACTIONS["block_flow"].plan(Foreseen(cluster, plans[0].writes), second, CASE))
    before = await here.bytes(cluster)
    answers = await writing.dry_run(
        cluster, Plan(incident=CASE.incident, policy_digest="", actions=tuple(plans))
    )
    assert all(answer.accepted for answer in answers), answers
    for plan in plans:
        await writing.apply(cluster, plan)
    assert not await open_to(cluster, here, OUTSIDE, 443)
    assert not await open_to(cluster, here, OUTSIDE, 80)
    assert await open_to(cluster, here, OUTSIDE, 81)
    for plan in reversed(plans):
        await writing.revert(cluster, plan)
    assert await here.bytes(cluster) == before


@pytest.mark.parametrize("first", [0, 1])
async def test_two_cases_isolate_one_pod_and_either_holds_without_the_other(
    cluster: Cluster, here: Scene, first: int
) -> None:
    before = await here.bytes(cluster)
    plans = []
    for incident in ("shop-web-0-11111111", "shop-web-0-22222222"):
        case = replace(CASE, incident=incident)
        plans.append(await ACTIONS["isolate_pod"].plan(cluster, here.action(cluster, "isolate_pod"), case))
        await writing.apply(cluster, plans[-1])
    await writing.revert(cluster, plans[first])
    assert not await open_to(cluster, here, OUTSIDE, 443)
    await writing.revert(cluster, plans[1 - first])
    assert await here.bytes(cluster) == before


async def test_a_flow_is_not_carved_out_of_another_cases_isolation(cluster: Cluster, here: Scene) -> None:
    await applied(cluster, here, "isolate_pod")
    other = replace(CASE, incident="shop-web-0-22222222")
    plan = await ACTIONS["block_flow"].plan(cluster, here.action(cluster, "block_flow"), other)
    assert "contained by incident" in plan.blocked
