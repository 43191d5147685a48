"""Tier 3 to its end: isolate, then step by step what is due, beside people who may stop it at any moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities import release
from activities.adapters.memory import MemoryCluster
from activities.dossier import Dossiers
from activities.ports import (
    FREEZES,
    NAMESPACES,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    ROLE_BINDINGS,
    Manifest,
)
from activities.records import Records
from signals.approvals import Verb
from signals.authority import Authority
from signals.errors import NotFound, Refused
from signals.incidents import Incident, IncidentState
from signals.pages import Page, PageKind
from signals.plans import ObjectRef
from signals.policy import Policy, Tier4
from signals.receipts import ActionState, Receipt
from signals.requests import Report
from signals.subjects import remediation_id
from signals.threats import Mode, Peer, Severity
from tests.workflows.running import running
from tests.workflows.world import CLUSTER, Place, World, essence, settled
from workers.ownership import Ownership

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]


class Stubborn(MemoryCluster):
    """A cluster that refuses freezes in some namespaces, and takes its time over them in others."""

    def __init__(self) -> None:
        super().__init__(CLUSTER)
        self.refuses: set[str] = set()
        self.waits: dict[str, asyncio.Event] = {}

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if ref.resource == "freezes" and not dry_run:
            namespace = manifest["spec"]["namespace"]
            if namespace in self.refuses:
                raise Refused("the credential-freezer will not")
            if namespace in self.waits:
                await self.waits[namespace].wait()
        if ref.resource == "captures":
            item = {"name": "log", "what": "log of container web", "sha256": "ab", "size": 3}
            return {"status": {"items": [item], "manifest": "cd"}}
        return await super().create(ref, manifest, dry_run=dry_run)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> Stubborn:
    return Stubborn()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole(cluster: Stubborn) -> AsyncIterator[World]:
    async with running(cluster, policy=Policy(tier4=Tier4.HOLD, authority=Authority(rules=()))) as world:
        yield world


def by_type(incident: Incident) -> dict[str, Receipt]:
    return {receipt.action.type: receipt for receipt in incident.receipts}


def states(incident: Incident) -> dict[str, ActionState]:
    return {kind: receipt.state for kind, receipt in by_type(incident).items()}


async def lives(world: World, place: Place) -> bool:
    try:
        pod = await world.cluster.get(PODS.ref("web-0", place.namespace))
    except NotFound:
        return False
    return bool(pod["metadata"]["uid"] == place.subject.uid)


async def frozen(world: World, place: Place) -> list[Manifest]:
    freezes = await world.cluster.list(FREEZES)
    return [freeze for freeze in freezes if freeze["spec"]["namespace"] == place.namespace]


async def budget(world: World, place: Place) -> None:
    body = {"kind": "PodDisruptionBudget", "metadata": {}, "spec": {"selector": {}}}
    status = {"disruptionsAllowed": 0, "desiredHealthy": 1, "currentHealthy": 1}
    ref = POD_DISRUPTION_BUDGETS.ref("web", place.namespace)
    await world.cluster.create(ref, {**body, "status": status})


async def test_tier_3_isolates_captures_freezes_and_evicts_and_leaves_nothing_behind(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    handle = await whole.open(whole.event(place))
    evicted = await whole.until(handle, lambda one: states(one).get("evict_pod") is ActionState.DONE)
    assert states(evicted)["isolate_pod"].stands
    assert states(evicted)["freeze_credentials"].stands
    assert by_type(evicted)["capture_evidence"].evidence[0].what == "log of container web"
    turns = [
        moment.what.split(" pod/")[0]
        for moment in evicted.timeline
        if ": done" in moment.what or ": unver" in moment.what
    ]
    assert turns == ["capture evidence of", "freeze the credentials of", "evict"], (
        "evidence before destruction"
    )
    assert await whole.cluster.list(ROLE_BINDINGS, place.namespace) == [], (
        "the right to look ends with the look"
    )
    assert evicted.summary.state is IncidentState.CONTAINED
    assert not await lives(whole, place)
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    await whole.environment.fast_forward(owner, timedelta(minutes=1))
    over = await whole.until(handle, lambda one: not any(r.state.stands for r in one.receipts))
    assert set(states(over).values()) == {ActionState.DONE}
    assert over.summary.state is IncidentState.CONTAINED, "contained by the eviction, not undone"
    assert "was evicted" in by_type(over)["isolate_pod"].reason
    policies = await whole.cluster.list(NETWORK_POLICIES, place.namespace)
    assert [essence(one) for one in policies] == [essence(place.policy)]
    assert await frozen(whole, place) == []
    await owner.result()


async def test_a_step_that_fails_is_a_result_paged_once_and_the_rest_goes_on(
    whole: World, cluster: Stubborn
) -> None:
    place = await whole.place(owner="ReplicaSet")
    cluster.refuses.add(place.namespace)
    handle = await whole.open(whole.event(place))
    done = await whole.until(handle, lambda one: states(one).get("evict_pod") is ActionState.DONE)
    failed = by_type(done)["freeze_credentials"]
    assert (failed.state, failed.reason) == (ActionState.FAILED, "the credential-freezer will not")
    assert done.summary.state is IncidentState.PARTIALLY_CONTAINED
    pages = [page for page in whole.pages.about(handle.id) if "did not come about" in page.text]
    assert [(page.kind, "freezer will not" in page.text) for page in pages] == [(PageKind.PAGE, True)]


async def test_a_budget_that_forbids_the_eviction_leaves_the_pod_isolated_and_says_so(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    await budget(whole, place)
    handle = await whole.open(whole.event(place))
    done = await whole.until(handle, settled)
    refused = by_type(done)["evict_pod"]
    assert refused.state is ActionState.FAILED
    assert "disruption budget" in refused.reason
    assert done.summary.state is IncidentState.PARTIALLY_CONTAINED
    assert states(done)["isolate_pod"].stands
    assert await lives(whole, place)
    again = whole.event(place, technique="T1611")
    await handle.signal("events", whole.batch(handle.id, again))
    more = await whole.until(
        handle, lambda one: len(one.events) == 2 and len(one.decisions) > len(done.decisions)
    )
    assert len(more.receipts) == len(done.receipts), "it is not tried again with every alert"


@pytest.mark.parametrize(
    ("owner", "state"),
    [("DaemonSet", ActionState.REFUSED), ("StatefulSet", ActionState.STAGED), ("", ActionState.STAGED)],
)
async def test_whether_a_pod_is_evicted_is_its_owners_matter_and_the_rest_goes_on(
    whole: World, owner: str, state: ActionState
) -> None:
    place = await whole.place(owner=owner)
    handle = await whole.open(whole.event(place))
    done = await whole.until(handle, lambda one: settled(one) and one.summary.waiting_for is not None)
    assert await lives(whole, place)
    if owner == "DaemonSet":  # a DaemonSet's pod is the control plane's matter: all of it waits
        assert states(done)["evict_pod"] is state
        return
    assert states(done)["isolate_pod"].stands
    assert states(done)["freeze_credentials"].stands
    assert states(done)["evict_pod"] is state
    waiting = done.summary.waiting_for
    assert waiting
    answer = await whole.say(
        handle, Verb.APPROVE, role="lead", plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    assert answer.accepted, answer
    assert answer.message == f"applied: evict {place.subject}"
    await whole.until(handle, lambda one: states(one)["evict_pod"] is ActionState.DONE)
    assert not await lives(whole, place)


async def test_an_undo_wins_over_everything_that_is_still_due(whole: World, cluster: Stubborn) -> None:
    place = await whole.place(owner="ReplicaSet")
    cluster.waits[place.namespace] = asyncio.Event()
    handle = await whole.open(whole.event(place))
    await whole.until(handle, lambda one: states(one).get("isolate_pod", ActionState.DUE).stands)
    answer = await whole.say(handle, Verb.UNDO)
    assert answer.accepted, answer
    undone = await whole.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    assert by_type(undone)["evict_pod"].reason == "put back before its turn"
    cluster.waits[place.namespace].set()
    await whole.client.get_workflow_handle(remediation_id(handle.id)).result()
    await asyncio.sleep(0.3)  # the freeze that was on its way arrives, and is taken back
    assert await lives(whole, place)
    assert await frozen(whole, place) == []
    _, _, policies = await whole.standing(place)
    assert [essence(one) for one in policies] == [essence(place.policy)]


async def test_tier_4_stops_what_is_due_and_withdraws_nothing(whole: World, cluster: Stubborn) -> None:
    place = await whole.place(owner="ReplicaSet")
    cluster.waits[place.namespace] = asyncio.Event()
    handle = await whole.open(whole.event(place))
    await whole.until(handle, lambda one: states(one).get("isolate_pod", ActionState.DUE).stands)
    system = await whole.place(namespace="kube-system") if not await enrolled(whole) else None
    assert system
    worse = whole.event(place, confidence=0.99, technique="T1611")
    plane = whole.event(system)
    await handle.signal("events", whole.batch(handle.id, worse, plane))
    asked = await whole.until(handle, lambda one: one.summary.waiting_for is not None)
    cluster.waits[place.namespace].set()

    def mine(one: Incident) -> dict[str, ActionState]:
        return {r.action.type: r.state for r in one.receipts if r.action.target == place.subject}

    asked = await whole.until(handle, lambda one: ActionState.DUE not in mine(one).values())
    kinds = mine(asked)
    assert kinds["isolate_pod"].stands, "what was applied stands"
    assert kinds["evict_pod"] is ActionState.STAGED, "what was due waits for a person"
    theirs = [one for one in asked.receipts if one.action.target == system.subject]
    assert {receipt.state for receipt in theirs} <= {ActionState.STAGED, ActionState.REFUSED}
    assert await lives(whole, place)
    assert asked.summary.waiting_for
    assert asked.summary.waiting_for.roles == ("lead",)


async def enrolled(world: World) -> bool:
    """Return whether kube-system has a pod of ours already."""
    return bool(await world.cluster.list(PODS, "kube-system"))


async def test_with_hold_a_certain_pod_is_isolated_while_a_person_is_asked_for_the_rest(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    handle = await whole.open(whole.event(place, confidence=0.99))
    asked = await whole.until(handle, lambda one: settled(one) and one.summary.waiting_for is not None)
    assert states(asked)["isolate_pod"].stands
    assert states(asked)["freeze_credentials"] is ActionState.STAGED
    assert states(asked)["evict_pod"] is ActionState.STAGED
    assert await lives(whole, place)
    waiting = asked.summary.waiting_for
    assert waiting
    await whole.say(
        handle, Verb.REJECT, role="lead", plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    said_no = await whole.until(handle, lambda one: one.summary.waiting_for is None)
    assert states(said_no)["evict_pod"] is ActionState.REFUSED
    assert states(said_no)["isolate_pod"].stands, "the hold stays until somebody undoes it, or its time is up"


async def test_what_the_owner_says_late_does_not_take_back_what_is_known(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    handle = await whole.open(whole.event(place, confidence=0.99))
    asked = await whole.until(handle, lambda one: settled(one) and one.summary.waiting_for is not None)
    staged, waiting = by_type(asked)["evict_pod"], asked.summary.waiting_for
    assert waiting
    due = staged.model_copy(update={"state": ActionState.DUE, "reason": ""})
    await handle.signal("stack", Report(receipts=(due,), notes=("late",)).model_dump(mode="json"))
    heard = await whole.until(handle, lambda one: one.timeline[-1].what == "late")
    assert by_type(heard)["evict_pod"] == staged, "it waits for a person, and is not due"

    await whole.say(
        handle, Verb.APPROVE, role="lead", plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    done = await whole.until(handle, lambda one: states(one)["evict_pod"] is ActionState.DONE)
    await handle.signal("stack", Report(receipts=(staged,), notes=("later",)).model_dump(mode="json"))
    heard = await whole.until(handle, lambda one: "later" in {moment.what for moment in one.timeline})
    assert by_type(heard)["evict_pod"] == by_type(done)["evict_pod"], "it was approved, and is over"
    assert heard.summary.waiting_for is None


async def test_the_eviction_of_a_new_pod_of_one_workload_within_an_hour_waits_for_a_person(
    whole: World,
) -> None:
    place = await whole.place(owner="ReplicaSet")
    first = await whole.open(whole.event(place))
    await whole.until(first, lambda one: states(one).get("evict_pod") is ActionState.DONE)
    body = {k: v for k, v in place.pod.items() if k != "metadata"} | {
        "metadata": {key: place.pod["metadata"][key] for key in ("labels", "ownerReferences")}
    }
    made = await whole.cluster.create(PODS.ref("web-1", place.namespace), body)
    other = place.subject.model_copy(update={"name": "web-1", "uid": made["metadata"]["uid"]})
    second = await whole.open(whole.event(place, subject=other))
    while True:  # the freeze asks, then the eviction, or both at once
        asked = await whole.until(
            second,
            lambda one: (
                settled(one)
                and (one.summary.waiting_for is not None or states(one).get("evict_pod") is ActionState.DONE)
            ),
        )
        waiting = asked.summary.waiting_for
        if waiting is None:
            break
        assert waiting.group.startswith(f"caps/{place.namespace}/")
        with contextlib.suppress(WorkflowUpdateFailedError):  # it asks about more by now
            await whole.say(
                second, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
            )
    assert by_type(asked)["evict_pod"].approved_by == "oncall"
    assert any("the image or its source re-infects" in moment.what for moment in asked.timeline)


async def test_in_approve_mode_the_whole_of_it_is_one_approval(whole: World) -> None:
    place = await whole.place(Mode.APPROVE, owner="ReplicaSet")
    handle = await whole.open(whole.event(place, mode=Mode.APPROVE))
    asked = await whole.until(handle, lambda one: one.summary.waiting_for is not None)
    assert set(states(asked).values()) == {ActionState.STAGED}
    waiting: Any = asked.summary.waiting_for
    answer = await whole.say(
        handle, Verb.APPROVE, plan_hash=waiting.plan_hash, target_uids=waiting.target_uids
    )
    assert answer.accepted, answer
    done = await whole.until(handle, lambda one: states(one)["evict_pod"] is ActionState.DONE)
    assert {receipt.approved_by for receipt in done.receipts} == {"oncall"}


@pytest_asyncio.fixture(loop_scope="session")
async def now(whole: World) -> AsyncIterator[None]:
    """Set the executor's clock back to now afterwards."""
    yield
    whole.clock.ahead = timedelta()


def said(world: World, handle: WorkflowHandle[Any, Any], text: str) -> list[Page]:
    return [page for page in world.pages.about(handle.id) if text in page.text]


async def passes(world: World, handle: WorkflowHandle[Any, Any], time: timedelta) -> None:
    world.clock.ahead += time
    await world.environment.fast_forward(handle, time)


@pytest.mark.usefixtures("now")
async def test_nobody_is_let_go_because_nobody_answered_and_it_grows_louder(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    await budget(whole, place)
    handle = await whole.open(whole.event(place), extensions=1, holds_on=True)
    await whole.until(handle, settled)
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    await passes(whole, owner, timedelta(hours=24, seconds=5))
    await whole.until(handle, lambda one: by_type(one)["isolate_pod"].extended == 1)
    for held, hours in ((1, 24), (2, 1)):
        await passes(whole, owner, timedelta(hours=hours))
        await whole.until(handle, lambda _, n=held: len(said(whole, handle, "held on for an hour")) >= n)  # type: ignore[misc]  # a default binds the number
    assert {one.severity for one in said(whole, handle, "held on for an hour")} == {Severity.CRITICAL}
    assert by_type(await handle.query("incident", result_type=Incident))["isolate_pod"].state.stands
    assert (await whole.say(handle, Verb.UNDO)).accepted


@pytest.mark.usefixtures("now")
async def test_people_are_told_before_something_is_put_back_by_itself(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    blocked = whole.event(place, confidence=0.7, peer=Peer(address="203.0.113.7", port=443))
    handle = await whole.open(blocked, lead_seconds=900)
    await whole.until(handle, settled)
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    await passes(whole, owner, timedelta(hours=4) - timedelta(minutes=14))
    await whole.until(handle, lambda _: bool(said(whole, handle, "put back in ")))
    assert len((await whole.standing(place))[2]) == 2
    await passes(whole, owner, timedelta(minutes=15))
    await whole.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)


async def test_what_was_released_past_the_incident_is_said_and_not_written_again(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    blocked = whole.event(place, confidence=0.7, peer=Peer(address="203.0.113.7", port=443))
    handle = await whole.open(blocked)
    await whole.until(handle, settled)
    await release.release(whole.cluster, None, [place.namespace])
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    await owner.signal("changed", {})
    undone = await whole.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    assert "firebreak release" in undone.receipts[0].reason
    assert len((await whole.standing(place))[2]) == 1
    await owner.result()


async def test_a_namespace_that_is_deleted_leaves_nothing_contained(whole: World) -> None:
    place = await whole.place(owner="ReplicaSet")
    blocked = whole.event(place, confidence=0.7)
    handle = await whole.open(blocked)
    await whole.until(handle, settled)
    await whole.cluster.delete(NAMESPACES.ref(place.namespace))
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    await owner.signal("changed", {})
    await whole.until(handle, lambda one: one.summary.state is IncidentState.UNDONE)
    await owner.result()


@pytest.mark.usefixtures("now")
async def test_who_ends_the_owner_of_a_stack_does_not_end_what_was_due(
    whole: World, cluster: Stubborn
) -> None:
    whole.clock.ahead = -timedelta(minutes=1)
    place = await whole.place(owner="ReplicaSet")
    cluster.waits[place.namespace] = asyncio.Event()
    handle = await whole.open(whole.event(place))
    owned = {ActionState.EFFECTIVE, ActionState.UNVERIFIED}
    contained = await whole.until(handle, lambda one: states(one).get("isolate_pod") in owned)
    owner = whole.client.get_workflow_handle(remediation_id(handle.id))
    for one in (handle, owner):
        await one.terminate("by an intruder with Temporal's frontend")
    cluster.waits[place.namespace].set()
    ownership = Ownership(
        whole.client,
        Records(whole.records),
        Dossiers(whole.records),
        CLUSTER,
        whole.policy,
        whole.liaison_key,
    )
    await ownership.ensure(handle.id, [by_type(contained)["isolate_pod"].action.id])
    async with asyncio.timeout(20):
        while await lives(whole, place):  # noqa: ASYNC110 - nothing tells when a pod is gone
            await asyncio.sleep(0.1)
