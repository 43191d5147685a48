"""The credential-freezer: what it carries out, and everything that it cannot be talked into."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from activities.adapters.memory import MemoryCluster
from activities.divided import Divided
from activities.ports import ENROLMENTS, FREEZES, NAMESPACES, PODS, Manifest
from signals.approvals import Approval, Verb
from signals.entities import ClusterRef
from signals.errors import Conflict, NotFound, Refused, Unavailable, Undecodable
from signals.orders import FreezeOrder, FreezeVerb
from signals.policy import Policy
from tests.activities.hands import TRUST, Hands, enrolled, hands, signer
from tests.workflows.world import Bucket
from workers.freezing import Freezer
from workers.orders import FRESH

CASE = "shop-web-0-12345678"


@dataclass
class Clock:
    """A clock that tests set."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scene:
    """A cluster with one enrolled namespace, the executor's view of it, and the freezer behind."""

    memory: MemoryCluster
    hands: Hands
    executor: Divided
    bucket: Bucket
    clock: Clock

    async def pod(
        self, name: str, namespace: str = "shop", owner: str = "", account: str = "web"
    ) -> Manifest:
        owners = [{"kind": "ReplicaSet", "name": "web", "uid": owner, "controller": True}] if owner else []
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "ownerReferences": owners},
            "spec": {"serviceAccountName": account, "containers": []},
        }
        return await self.memory.create(PODS.ref(name, namespace), body)

    async def freeze(self, pod: Manifest, /, *, dry_run: bool = False, **changes: Any) -> Manifest:
        made = freeze(pod, **changes)
        return await self.executor.create(FREEZES.ref(made["metadata"]["name"]), made, dry_run=dry_run)

    async def names(self) -> list[str]:
        return [one["metadata"]["name"] for one in await self.memory.list(FREEZES)]

    def approval(self, *pods: Manifest, **changes: Any) -> Approval:
        """Return a lead's approval, signed by the liaison."""
        said: dict[str, Any] = {
            "id": "command",
            "cluster": self.memory.ref,
            "verb": Verb.APPROVE,
            "incident": CASE,
            "actor": "lena",
            "role": "lead",
            "target_uids": tuple(pod["metadata"]["uid"] for pod in pods),
            "said_at": datetime.now(UTC),
        }
        return signer("liaison").seal(Approval(**{**said, **changes}))


def freeze(pod: Manifest, /, **spec: Any) -> Manifest:
    uid = pod["metadata"]["uid"]
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Freeze",
        "metadata": {
            "name": uid,
            "labels": {
                "app.kubernetes.io/managed-by": "firebreak",
                "firebreak.dev/case": CASE,
                "firebreak.dev/action": "freeze_credentials",
            },
            "annotations": {
                "firebreak.dev/expires-at": "2099-01-01T00:00:00Z",
                "firebreak.dev/on-expiry": "ask",
                "firebreak.dev/workflow-id": CASE,
                "firebreak.dev/inverse": "{}",
            },
        },
        "spec": {
            "podUID": uid,
            "namespace": pod["metadata"]["namespace"],
            "pod": pod["metadata"]["name"],
            "serviceAccount": pod["spec"].get("serviceAccountName", "default"),
            **spec,
        },
    }


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    memory, bucket, clock = MemoryCluster(), Bucket(), Clock()
    for name in ("shop", "other", "cert-manager", "firebreak"):
        await memory.create(NAMESPACES.ref(name), {"kind": "Namespace", "metadata": {"name": name}})
    await enrolled(memory, ["shop", "cert-manager", "kube-system", "firebreak"])
    mine = hands(memory.identity("credential-freezer"))
    mine.freezer = Freezer(
        cluster=memory.identity("credential-freezer"),
        signer=signer("credential-freezer"),
        trust=TRUST,
        policy=Policy(),
        bucket=bucket,
        now=clock,
    )
    yield Scene(memory, mine, mine.of(memory.identity("remediation-executor")), bucket, clock)


async def test_a_pod_is_frozen_and_thawed_by_the_executors_order(scene: Scene) -> None:
    pod = await scene.pod("web-0")
    await scene.freeze(pod)
    assert await scene.names() == [pod["metadata"]["uid"]]
    assert (
        await scene.executor.get(FREEZES.ref(pod["metadata"]["uid"])) == (await scene.memory.list(FREEZES))[0]
    )
    assert len(await scene.executor.list(FREEZES, "shop")) == 1
    assert await scene.executor.list(FREEZES, "other") == []
    await scene.executor.delete(FREEZES.ref(pod["metadata"]["uid"]))
    assert await scene.names() == []
    assert ("firebreak.dev/freezes", "create") not in scene.memory.used("remediation-executor")


async def test_a_dry_run_changes_nothing_and_counts_nothing(scene: Scene) -> None:
    pod = await scene.pod("web-0", owner="rs")
    for _ in range(3):
        await scene.freeze(pod, dry_run=True)
    assert await scene.names() == []
    assert scene.bucket.entries == {}


async def test_what_stands_is_a_conflict_and_another_freeze_of_that_very_object_is_not_deleted(
    scene: Scene,
) -> None:
    pod = await scene.pod("web-0")
    await scene.freeze(pod)
    with pytest.raises(Conflict):
        await scene.freeze(pod)
    with pytest.raises(Conflict):
        await scene.executor.delete(FREEZES.ref(pod["metadata"]["uid"], uid="another"))


# ---- orders that nobody may give ------------------------------------------------------------------------------


def order(scene: Scene, **changes: Any) -> FreezeOrder:
    given: dict[str, Any] = {
        "id": "o-1",
        "cluster": scene.memory.ref,
        "at": scene.clock.now,
        "verb": FreezeVerb.LIST,
    }
    return FreezeOrder(**{**given, **changes})


def sealed(what: FreezeOrder, by: str = "remediation-executor") -> bytes:
    return signer(by).seal(what).model_dump_json().encode()


@pytest.mark.parametrize("agent", ["orchestrator", "liaison", "runtime-guardian", "credential-freezer"])
async def test_nobody_but_the_executor_gives_orders(scene: Scene, agent: str) -> None:
    with pytest.raises(Refused, match="signature"):
        await scene.hands.freezer.answer(sealed(order(scene), agent))


async def test_an_order_that_was_changed_on_its_way_is_refused(scene: Scene) -> None:
    body = json.loads(sealed(order(scene)))
    body["verb"] = "delete"
    with pytest.raises(Refused, match="signature"):
        await scene.hands.freezer.answer(json.dumps(body).encode())


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"\xff", b'{"verb": "shout"}'])
async def test_what_is_no_order_is_no_order(scene: Scene, payload: bytes) -> None:
    with pytest.raises(Undecodable):
        await scene.hands.freezer.answer(payload)


async def test_an_order_is_carried_out_once(scene: Scene) -> None:
    pod = await scene.pod("web-0")
    await scene.freeze(pod)
    replayed = scene.hands.orders[-1]
    await scene.executor.delete(FREEZES.ref(pod["metadata"]["uid"]))
    with pytest.raises(Refused, match="taken already"):
        await scene.hands.freezer.answer(replayed)
    assert await scene.names() == []


async def test_an_order_is_good_for_seconds(scene: Scene) -> None:
    for apart in (-FRESH - timedelta(seconds=1), FRESH + timedelta(seconds=1)):
        with pytest.raises(Refused, match="check the clocks"):
            await scene.hands.freezer.answer(sealed(order(scene, at=scene.clock.now + apart)))


async def test_an_order_from_before_a_restart_is_to_be_given_anew(scene: Scene) -> None:
    with pytest.raises(Unavailable, match="give it anew"):
        await scene.hands.freezer.answer(sealed(order(scene, at=scene.clock.now - timedelta(seconds=2))))


async def test_an_order_about_another_cluster_is_refused(scene: Scene) -> None:
    with pytest.raises(Refused, match="about cluster"):
        await scene.hands.freezer.answer(sealed(order(scene, cluster=ClusterRef(name="x", uid="x"))))


async def test_an_answer_of_somebody_else_or_to_another_order_is_not_believed(scene: Scene) -> None:
    true = scene.hands.freezer.answer
    stale = await true(sealed(order(scene)))

    async def forged(payload: bytes) -> bytes:
        body = json.loads(await true(payload))
        return json.dumps({**body, "result": [{"forged": True}]}).encode()

    async def old(payload: bytes) -> bytes:
        return stale

    async def nothing(payload: bytes) -> bytes:
        return b"?"

    for answer, error in ((forged, Refused), (old, Refused), (nothing, Unavailable)):
        scene.hands.freezer.answer = answer  # type: ignore[method-assign]
        with pytest.raises(error):
            await scene.executor.list(FREEZES)


# ---- freezes that nobody may order ----------------------------------------------------------------------------


async def test_a_pod_that_is_gone_or_is_another_is_not_frozen(scene: Scene) -> None:
    pod = await scene.pod("web-0")
    await scene.memory.delete(PODS.ref("web-0", "shop"))
    with pytest.raises(NotFound):
        await scene.freeze(pod)
    await scene.pod("web-0")
    with pytest.raises(NotFound, match="another pod"):
        await scene.freeze(pod)


async def test_a_uid_from_elsewhere_is_not_frozen_under_an_enrolled_pods_name(scene: Scene) -> None:
    victim = await scene.pod("victim", namespace="other")
    await scene.pod("web-0")
    with pytest.raises(NotFound, match="another pod"):
        await scene.freeze(victim, namespace="shop", pod="web-0")


async def test_a_namespace_that_is_not_enrolled_or_in_shadow_mode_is_not_written_to(scene: Scene) -> None:
    pod = await scene.pod("web-0", namespace="other")
    with pytest.raises(Refused, match="not enrolled"):
        await scene.freeze(pod)
    await enrolled(scene.memory, ["other"], "shadow")
    await scene.freeze(pod, dry_run=True)
    with pytest.raises(Refused, match="shadow mode"):
        await scene.freeze(pod)


@pytest.mark.parametrize("namespace", ["firebreak", "kube-system"])
async def test_our_own_and_the_systems_pods_are_never_frozen_whoever_approves(
    scene: Scene, namespace: str
) -> None:
    pod = await scene.pod("web-0", namespace=namespace)
    await scene.hands.consents.keep(scene.approval(pod))
    with pytest.raises(Refused, match="never frozen"):
        await scene.freeze(pod)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"podUID": "*"}, "by its UID"),
        ({"podUID": ""}, "by its UID"),
        ({"everything": True}, "by its UID"),
        ({"serviceAccount": "admin"}, "does not use the account"),
    ],
    ids=str,
)
async def test_a_freeze_of_another_shape_is_refused(scene: Scene, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        await scene.freeze(await scene.pod("web-0"), **changes)


async def test_only_the_end_of_a_freeze_is_moved(scene: Scene) -> None:
    pod = await scene.pod("web-0")
    made = await scene.freeze(pod)
    ref = FREEZES.ref(pod["metadata"]["uid"])
    until = {"op": "replace", "path": "/metadata/annotations/firebreak.dev~1expires-at", "value": "2100"}
    await scene.executor.patch(
        ref, [{"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]}, until]
    )
    assert (await scene.memory.get(ref))["metadata"]["annotations"]["firebreak.dev/expires-at"] == "2100"
    for path in ("/spec/podUID", "/metadata/labels", "/metadata/annotations/firebreak.dev~1workflow-id"):
        with pytest.raises(Refused, match="only the end"):
            await scene.executor.patch(ref, [{"op": "replace", "path": path, "value": "x"}])
    with pytest.raises(Refused, match="has no status"):
        await scene.executor.patch(ref, [until], subresource="status")


# ---- people ---------------------------------------------------------------------------------------------------


async def test_what_the_policy_calls_control_plane_needs_a_leads_word(scene: Scene) -> None:
    pod = await scene.pod("issuer", namespace="cert-manager")
    with pytest.raises(Refused, match="a lead must approve"):
        await scene.freeze(pod)
    await scene.hands.consents.keep(scene.approval(pod, role="oncall"))
    with pytest.raises(Refused, match="a lead must approve"):
        await scene.freeze(pod)
    await scene.hands.consents.keep(scene.approval(pod))
    await scene.freeze(pod)


async def test_approve_mode_needs_a_persons_word_and_it_counts_again_where_a_freeze_was_deleted(
    scene: Scene,
) -> None:
    pod = await scene.pod("web-0")
    await scene.memory.patch(
        ENROLMENTS.ref("shop"), [{"op": "replace", "path": "/spec/mode", "value": "approve"}]
    )
    with pytest.raises(Refused, match="a person must approve"):
        await scene.freeze(pod)
    await scene.hands.consents.keep(scene.approval(pod, role="oncall"))
    await scene.freeze(pod)
    await scene.memory.delete(FREEZES.ref(pod["metadata"]["uid"]))
    scene.hands.consents._bucket = Bucket()
    await scene.freeze(pod)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"incident": "another"}, "this command is to"),
        ({"verb": Verb.REJECT}, "this command is to"),
        ({"target_uids": ("another",)}, "about other pods"),
        ({"cluster": ClusterRef(name="x", uid="x")}, "about cluster"),
    ],
    ids=str,
)
async def test_a_word_about_something_else_does_not_count(
    scene: Scene, changes: dict[str, Any], why: str
) -> None:
    pod = await scene.pod("issuer", namespace="cert-manager")
    approval = scene.approval(pod, **changes)
    given = order(
        scene, verb=FreezeVerb.CREATE, name=pod["metadata"]["uid"], manifest=freeze(pod), approval=approval
    )
    with pytest.raises(Refused, match=why):
        await scene.hands.freezer.answer(sealed(given))


async def test_an_executor_that_is_not_itself_any_more_cannot_speak_for_a_person(scene: Scene) -> None:
    pod = await scene.pod("issuer", namespace="cert-manager")
    forged = signer("remediation-executor").seal(scene.approval(pod))
    given = order(
        scene, verb=FreezeVerb.CREATE, name=pod["metadata"]["uid"], manifest=freeze(pod), approval=forged
    )
    with pytest.raises(Refused, match="signature is not liaison's"):
        await scene.hands.freezer.answer(sealed(given))
    await scene.hands.consents.keep(forged)
    assert await scene.hands.consents.of(pod["metadata"]["uid"]) is None


# ---- caps -----------------------------------------------------------------------------------------------------


async def test_one_pod_of_a_workload_and_five_of_a_namespace_are_frozen_an_hour(scene: Scene) -> None:
    await scene.freeze(await scene.pod("web-0", owner="rs"))
    second = await scene.pod("web-1", owner="rs")
    with pytest.raises(Refused, match="of this workload were frozen"):
        await scene.freeze(second)
    for number in range(4):
        await scene.freeze(await scene.pod(f"bare-{number}"))
    sixth = await scene.pod("bare-9")
    with pytest.raises(Refused, match="of namespace shop were frozen"):
        await scene.freeze(sixth)
    await scene.hands.consents.keep(scene.approval(sixth, second, role="oncall"))
    await scene.freeze(sixth)
    await scene.freeze(second)


async def test_the_hour_outlives_a_restart_and_a_thaw(scene: Scene) -> None:
    first, second = await scene.pod("web-0", owner="rs"), await scene.pod("web-1", owner="rs")
    await scene.freeze(first)
    await scene.executor.delete(FREEZES.ref(first["metadata"]["uid"]))
    again = hands(scene.memory.identity("credential-freezer"))
    again.freezer = Freezer(
        cluster=scene.memory,
        signer=signer("credential-freezer"),
        trust=TRUST,
        policy=Policy(),
        bucket=scene.bucket,
    )
    with pytest.raises(Refused, match="of this workload"):
        await again.of(scene.memory).create(FREEZES.ref(second["metadata"]["uid"]), freeze(second))
    await again.of(scene.memory).create(FREEZES.ref(first["metadata"]["uid"]), freeze(first))


async def test_an_hour_later_the_count_begins_anew_and_what_is_over_is_forgotten(scene: Scene) -> None:
    first, second = await scene.pod("web-0", owner="rs"), await scene.pod("web-1", owner="rs")
    entry = {"uid": first["metadata"]["uid"], "namespace": "shop", "owner": "rs"}
    long_ago = {**entry, "at": (scene.clock.now - timedelta(minutes=61)).isoformat()}
    await scene.bucket.create(first["metadata"]["uid"], json.dumps(long_ago).encode())
    await scene.freeze(second)
    assert list(scene.bucket.entries) == [second["metadata"]["uid"]]


async def test_so_many_stand_at_once_and_no_more_even_with_a_persons_word(scene: Scene) -> None:
    for number in range(200):
        body = freeze({"metadata": {"uid": f"u-{number}", "namespace": "shop", "name": "x"}, "spec": {}})
        await scene.memory.create(FREEZES.ref(f"u-{number}"), body)
        if number == 49:
            with pytest.raises(Refused, match="50 freezes stand"):
                await scene.freeze(await scene.pod("web-0"))
    pod = await scene.pod("web-1")
    await scene.hands.consents.keep(scene.approval(pod))
    with pytest.raises(Refused, match="200 freezes stand"):
        await scene.freeze(pod)
