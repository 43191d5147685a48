"""The sweeper on a memory cluster: what it needs is in the cluster, and nothing else."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import activities.actions
from activities import expiry, release, writing
from activities.action import Action, CaseRef
from activities.adapters.memory import MemoryCluster
from activities.ports import ENROLMENTS, NAMESPACES, NETWORK_POLICIES, PODS, Manifest, Resource
from activities.records import Records
from signals.catalog import load
from signals.decisions import OnExpiry, PlannedAction
from signals.entities import ClusterRef, Entity
from signals.errors import Refused, Unavailable
from signals.plans import Write
from signals.policy import AfterExtensions, Policy
from signals.receipts import ActionState, Receipt
from tests.workflows.world import Bucket, essence
from workers.sweeper import Sweeper

CLUSTER = ClusterRef(name="test", uid="sweep")
ACTIONS = load(activities.actions, Action)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Owner:
    """Remembers what it was told; `silent` is Temporal being down."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ensured: list[str] = []
        self.paged: list[str] = []
        self.silent = False

    async def tell(self, incident: str) -> None:
        if self.silent:
            raise Unavailable("Temporal is down")
        self.told.append(incident)

    async def page(self, incident: str, text: str) -> None:
        self.paged.append(text)

    async def ensure(self, incident: str, action_ids: list[str]) -> None:
        self.ensured.append(incident)


class Scene:
    """One isolated pod, and a clock."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster(CLUSTER)
        self.records = Records(Bucket())
        self.owner = Owner()
        self.now = NOW
        self.sweeper = Sweeper(self.cluster, self.records, ACTIONS, self.owner, lambda: self.now)

    async def isolate(self, on_expiry: OnExpiry = OnExpiry.RELEASE) -> Manifest:
        await self.cluster.create(NAMESPACES.ref("shop"), {"kind": "Namespace", "metadata": {}})
        await self.cluster.create(
            ENROLMENTS.ref("shop"), {"kind": "Enrolment", "metadata": {}, "spec": {"mode": "auto"}}
        )
        pod = await self.cluster.create(
            PODS.ref("web", "shop"),
            {"kind": "Pod", "metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
        )
        await self.cluster.create(NETWORK_POLICIES.ref("theirs", "shop"), policy("web"))
        target = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web", uid=pod["metadata"]["uid"])
        action = PlannedAction(
            id="0123456789abcdef", type="isolate_pod", targets=(target,), index=0, ttl_seconds=3600,
            on_expiry=on_expiry, summary="cut it off",
        )  # fmt: skip
        until = NOW + timedelta(hours=1)
        plan = await ACTIONS["isolate_pod"].plan(
            self.cluster, action, CaseRef(incident="case-1", expires_at=until)
        )
        await self.records.remember(
            Receipt(
                action=action,
                incident="case-1",
                cluster=CLUSTER,
                plan=plan,
                plan_hash="h",
                state=ActionState.APPLIED,
                applied_at=NOW,
                expires_at=until,
            )
        )
        await writing.apply(self.cluster, plan)
        return pod

    async def policies(self) -> list[str]:
        return [item["metadata"]["name"] for item in await self.cluster.list(NETWORK_POLICIES, "shop")]


def policy(app: str) -> Manifest:
    return {
        "kind": "NetworkPolicy",
        "metadata": {},
        "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_nobody_released_in_time_is_put_back_byte_for_byte(scene: Scene) -> None:
    pod = await scene.isolate()
    scene.now = NOW + timedelta(hours=1, minutes=1, seconds=59)
    await scene.sweeper.sweep()
    assert len(await scene.policies()) == 2

    scene.now += timedelta(seconds=2)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]
    assert essence(await scene.cluster.get(PODS.ref("web", "shop"))) == essence(pod)


async def test_it_needs_neither_temporal_nor_the_records(scene: Scene) -> None:
    await scene.isolate()
    scene.owner.silent = True
    scene.now = NOW + timedelta(hours=2)
    await scene.cluster.create(NETWORK_POLICIES.ref("late", "shop"), policy("web"))
    await scene.sweeper.sweep()
    assert await scene.policies() == ["late", "theirs"]


async def test_an_isolation_that_asks_is_held_on_while_its_pod_lives(scene: Scene) -> None:
    await scene.isolate(OnExpiry.ASK)
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert len(await scene.policies()) == 2

    await scene.cluster.delete(PODS.ref("web", "shop"))
    scene.now = NOW + timedelta(hours=4)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


async def test_who_extends_in_the_moment_of_release_wins_or_is_told_no(scene: Scene) -> None:
    await scene.isolate()
    known = await scene.records.find("0123456789abcdef")
    assert known
    await expiry.extend(scene.cluster, known.plan.writes, NOW + timedelta(hours=9))
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert len(await scene.policies()) == 2

    with pytest.raises(Exception, match="was extended"):
        await expiry.claim(scene.cluster, known.plan.writes)
    for one in await release.standing(scene.cluster, ["shop"]):
        await expiry.claim(scene.cluster, one.writes)
    with pytest.raises(Exception, match="being released"):
        await expiry.extend(scene.cluster, known.plan.writes, NOW + timedelta(hours=99))


async def test_the_owner_hears_of_a_policy_that_came_later_once(scene: Scene) -> None:
    await scene.isolate()
    await scene.sweeper.sweep()
    assert scene.owner.told == []

    await scene.cluster.create(NETWORK_POLICIES.ref("late", "shop"), policy("web"))
    await scene.sweeper.sweep()
    await scene.sweeper.sweep()
    assert scene.owner.told == ["case-1"]


async def test_an_owner_that_could_not_be_told_is_told_later(scene: Scene) -> None:
    await scene.isolate()
    await scene.sweeper.sweep()
    await scene.cluster.create(NETWORK_POLICIES.ref("late", "shop"), policy("web"))
    scene.owner.silent = True
    await scene.sweeper.sweep()
    scene.owner.silent = False
    await scene.sweeper.sweep()
    assert scene.owner.told == ["case-1"]


async def test_now_and_then_everything_that_stands_is_called_to_an_owner(scene: Scene) -> None:
    await scene.isolate()
    for _ in range(Sweeper.rounds_between_roll_calls):
        await scene.sweeper.sweep()
    assert scene.owner.ensured == ["case-1"]


async def test_what_a_sweeper_claimed_and_died_over_is_put_back_by_the_next(scene: Scene) -> None:
    await scene.isolate()
    for one in await release.standing(scene.cluster, ["shop"]):
        await expiry.claim(scene.cluster, one.writes)
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


@pytest.mark.parametrize(
    "story",
    [
        {"on-expiry": [], "index": "x"},
        {"firebreak.dev/expires-at": "2026-01-01T00:00:00"},
        {"firebreak.dev/expires-at": {}},
    ],
)
async def test_nonsense_that_somebody_wrote_on_a_pod_stops_no_sweep(
    scene: Scene, story: dict[str, object]
) -> None:
    await scene.isolate()
    marks = {"firebreak.dev/case": "other", "firebreak.dev/m-01234567": "other"}
    liar = {"labels": marks, "annotations": {"firebreak.dev/m-01234567": json.dumps(story)}}
    await scene.cluster.create(
        PODS.ref("liar", "shop"), {"kind": "Pod", "metadata": liar, "spec": {"containers": []}}
    )
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


@pytest.mark.parametrize("namespace", ["shop", "evil"])
@pytest.mark.parametrize("action_id", ["", "0123456789abcdef"])
async def test_a_forged_piece_of_a_case_neither_holds_it_up_nor_has_it_released(
    scene: Scene, namespace: str, action_id: str
) -> None:
    await scene.isolate()
    if namespace == "evil":
        await scene.cluster.create(NAMESPACES.ref("evil"), {"kind": "Namespace", "metadata": {}})
        enrolment: Manifest = {"kind": "Enrolment", "metadata": {}, "spec": {"mode": "auto"}}
        await scene.cluster.create(ENROLMENTS.ref("evil"), enrolment)
    for name, year in (("late", "2099"), ("early", "2001")):
        story = {
            "case": "case-1",
            "id": action_id,
            "index": 9,
            "firebreak.dev/expires-at": f"{year}-01-01T00:00:00Z",
            "on-expiry": "ask",
        }
        key = "firebreak.dev/m-0badbad0"
        forged = {"labels": {key: "case-1", "firebreak.dev/case": "case-1"}}
        forged["annotations"] = {key: json.dumps(story)}
        pod: Manifest = {"kind": "Pod", "metadata": forged, "spec": {"containers": []}}
        await scene.cluster.create(PODS.ref(name, namespace), pod)
    scene.now = NOW + timedelta(minutes=30)
    await scene.sweeper.sweep()
    assert len(await scene.policies()) == 2, "released before its time"
    scene.now = NOW + timedelta(hours=1, minutes=3)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


async def test_an_inverse_that_somebody_rewrote_stops_no_release(scene: Scene) -> None:
    await scene.isolate()
    forged = {
        "kind": "NetworkPolicy",
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "firebreak", "firebreak.dev/case": "x"},
            "annotations": {"firebreak.dev/inverse": '{"exclusions": [1, {}]}'},
        },
        "spec": policy("nobody")["spec"],
    }
    await scene.cluster.create(NETWORK_POLICIES.ref("forged", "shop"), forged)
    await release.release(scene.cluster, "case-1", ["shop"])
    assert "theirs" in await scene.policies()
    assert len(await scene.policies()) == 2


class Torn(MemoryCluster):
    """A cluster in which one namespace has taken our rights away."""

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        if namespace == "denied":
            raise Refused("forbidden")
        return await super().list(resource, namespace, labels)


async def test_a_namespace_that_refuses_stops_the_sweep_of_no_other(scene: Scene) -> None:
    scene.cluster = Torn(CLUSTER)
    scene.sweeper = Sweeper(scene.cluster, scene.records, ACTIONS, scene.owner, lambda: scene.now)
    await scene.isolate()
    await scene.cluster.create(NAMESPACES.ref("denied"), {"kind": "Namespace", "metadata": {}})
    await scene.cluster.create(
        ENROLMENTS.ref("denied"), {"kind": "Enrolment", "metadata": {}, "spec": {"mode": "auto"}}
    )
    marked = {"labels": {"firebreak.dev/case": "x"}}
    await scene.cluster.create(
        PODS.ref("a", "denied"), {"kind": "Pod", "metadata": marked, "spec": {"containers": []}}
    )
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


async def test_a_hold_that_is_refused_keeps_nothing_from_its_expiry(scene: Scene) -> None:
    async def refused(_: object, __: Receipt) -> tuple[Write, ...]:
        raise Refused("forbidden")

    kinds = {**ACTIONS, "isolate_pod": replace(ACTIONS["isolate_pod"], hold=refused)}
    scene.sweeper = Sweeper(scene.cluster, scene.records, kinds, scene.owner, lambda: scene.now)
    await scene.isolate()
    await scene.sweeper.sweep()
    scene.now = NOW + timedelta(hours=2)
    await scene.sweeper.sweep()
    assert await scene.policies() == ["theirs"]


async def test_what_is_held_on_is_paged_each_time(scene: Scene) -> None:
    await scene.isolate(OnExpiry.ASK)
    for hours in (2, 4):
        scene.now = NOW + timedelta(hours=hours)
        await scene.sweeper.sweep()
    assert scene.owner.paged == ["nobody answers for this containment; it is held on hourly"] * 2


async def test_silence_holds_only_so_long_where_the_policy_says_so(scene: Scene) -> None:
    await scene.isolate(OnExpiry.ASK)
    policy = Policy(extensions=1, isolate_ttl_seconds=7200, after_extensions=AfterExtensions.RELEASE)
    sweeper = Sweeper(scene.cluster, scene.records, ACTIONS, scene.owner, lambda: scene.now, policy=policy)
    scene.now = NOW + timedelta(hours=2)
    await sweeper.sweep()
    assert len(await scene.policies()) == 2
    scene.now = NOW + timedelta(hours=6)
    await sweeper.sweep()
    assert await scene.policies() == ["theirs"]


async def test_the_owner_hears_that_nothing_is_left_and_is_told_later_if_it_could_not_be(
    scene: Scene,
) -> None:
    await scene.isolate()
    await scene.sweeper.sweep()
    await scene.cluster.delete(NAMESPACES.ref("shop"))
    scene.owner.silent = True
    await scene.sweeper.sweep()
    scene.owner.silent = False
    await scene.sweeper.sweep()
    await scene.sweeper.sweep()
    assert len(scene.owner.told) == 1
