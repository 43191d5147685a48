"""How far an incident could reach, as its investigation knows it."""

from typing import Any

import pytest

from activities.adapters.memory import MemoryCluster
from activities.blast import MOST_REACHED, radius
from activities.graph.cut import planned, unplanned
from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    Manifest,
    Resource,
)
from activities.survey import PERMISSIONS
from signals.blast import BlastRadius, still, told
from signals.decisions import Inverse, OnExpiry, PlannedAction
from signals.entities import Entity
from signals.errors import Refused, Unavailable
from signals.plans import ActionPlan, Plan, Write, WriteKind
from tests.activities.graph.reach_worlds import allowing, pod, rule, snapshot, thing
from tests.activities.sample import CLUSTER
from workers.cli.blast import lines

ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles")
WEB = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web")
SEALED = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress", "Ingress"]}


async def shop(*more: tuple[Resource, Manifest]) -> MemoryCluster:
    """A pod whose account may read secrets, a pod that refers to one, and a pod that can be connected to."""
    cluster = MemoryCluster(CLUSTER)
    await spaces(cluster)
    reader, binding = allowing("sa/shop/web", rule("get", "secrets"))
    keys = [{"name": "v", "secret": {"secretName": "keys"}}]
    for resource, manifest in (
        (PODS, pod("web", serviceAccountName="web")),
        (PODS, pod("db", volumes=keys)),
        (ROLES, reader),
        (ROLE_BINDINGS, binding),
        *more,
    ):
        metadata = manifest["metadata"]
        await cluster.create(resource.ref(metadata["name"], metadata.get("namespace")), manifest)
    return cluster


async def spaces(cluster: MemoryCluster) -> None:
    for name in ("shop", "far"):
        await cluster.create(NAMESPACES.ref(name), thing("v1", "Namespace", name))


def isolating() -> Plan:
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {}, "spec": SEALED}
    write = Write(kind=WriteKind.CREATE, ref=NETWORK_POLICIES.ref("sealed", "shop"), manifest=body)
    return Plan(incident="i", policy_digest="d", actions=(action(write),))


def action(write: Write) -> ActionPlan:
    planned_ = PlannedAction(
        id="a",
        type="isolate_pod",
        targets=(WEB,),
        index=0,
        ttl_seconds=60,
        on_expiry=OnExpiry.ASK,
        summary="isolate",
    )
    return ActionPlan(action=planned_, writes=(write,), inverse=Inverse.EXACT, summary="isolate")


def tiers(found: BlastRadius) -> dict[str, str]:
    return {one.entity: one.tier for one in found.reached}


async def test_what_could_be_reached_is_found_with_the_way_and_who_grants_it() -> None:
    found = await radius(await shop(), (WEB,))
    assert found.starts == ("pod/shop/web",)
    assert tiers(found) == {
        "sa/shop/web": "direct",
        "secret/shop/keys": "direct",
        "pod/shop/db": "conditional",
    }
    (secret,) = (one for one in found.reached if one.entity == "secret/shop/keys")
    assert (secret.steps, secret.by) == (("RUNS_AS", "SECRET_READ"), "RoleBinding/shop/r")
    assert found.counts == {"conditional": 1, "direct": 2}
    assert any("no Secret is in the data" in line for line in found.missing), "secrets are never read"


@pytest.mark.parametrize("carried_out", [False, True])
async def test_what_a_plan_closes_is_said_whether_or_not_it_is_carried_out_already(carried_out: bool) -> None:
    policy: Any = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": SEALED}
    policy["metadata"] = {"name": "sealed", "namespace": "shop"}
    cluster = await (shop((NETWORK_POLICIES, policy)) if carried_out else shop())
    found = await radius(cluster, (WEB,), isolating())
    assert {one.entity: one.still for one in found.reached} == {
        "sa/shop/web": "conditional",
        "secret/shop/keys": "conditional",
        "pod/shop/db": None,
    }
    assert (found.planned, found.left, found.closed) == (True, {"conditional": 2}, 1)


class Limited(MemoryCluster):
    """A cluster of which some kinds cannot be read."""

    refused: tuple[Resource, ...] = ()
    error: type[Exception] = Refused

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        if resource in self.refused:
            raise self.error("no")
        return await super().list(resource, namespace, labels)


@pytest.mark.parametrize("error", [Refused, Unavailable])
async def test_what_cannot_be_read_is_named_and_fails_nothing(error: type[Exception]) -> None:
    cluster = Limited(CLUSTER)
    cluster.refused, cluster.error = (CLUSTER_ROLE_BINDINGS, NAMESPACES), error
    await spaces(cluster)
    await cluster.create(PODS.ref("web", "shop"), pod("web", serviceAccountName="web"))
    found = await radius(cluster, (WEB,))
    assert tiers(found) == {"sa/shop/web": "direct"}
    assert {"clusterrolebindings could not be read: no", "namespaces could not be read: no"} <= {
        *found.missing
    }


async def test_a_defect_costs_the_answer_alone() -> None:
    cluster = Limited(CLUSTER)
    cluster.refused, cluster.error = (PODS,), ValueError
    found = await radius(cluster, (WEB,))
    assert found.missing == ("what could be reached is not known: it failed with ValueError",)
    assert found.counts == {}


async def test_a_pod_that_is_gone_is_said() -> None:
    found = await radius(MemoryCluster(CLUSTER), (WEB,))
    assert found.counts == {}
    assert found.missing[0] == "pod/shop/web is not there any more"


async def test_much_is_counted_and_little_is_kept() -> None:
    many = [(PODS, pod(f"p{number}", "far")) for number in range(MOST_REACHED + 5)]
    found = await radius(await shop(*many), (WEB,))
    assert len(found.reached) == MOST_REACHED
    assert sum(found.counts.values()) == MOST_REACHED + 5 + 3


def test_no_secret_can_be_read_with_the_declared_rights() -> None:
    assert not [one for one in PERMISSIONS if one.startswith("secrets") or "configmaps" in one]
    assert {one.partition(": ")[2] for one in PERMISSIONS} == {"list"}


def test_marks_and_exclusions_are_taken_back_and_carried_out() -> None:
    marked = pod("web", labels={"app": "web", "firebreak.dev/case": "c"})
    write = Write(kind=WriteKind.MARK, ref=PODS.ref("web", "shop"), labels={"firebreak.dev/case": "c"})
    (before,) = unplanned(snapshot([marked]), [action(write)]).snapshot.objects
    assert before.object["metadata"]["labels"] == {"app": "web"}
    (after,) = planned(snapshot([before.object]), [action(write)]).snapshot.objects
    assert after.object["metadata"]["labels"] == {"app": "web", "firebreak.dev/case": "c"}


async def test_a_person_is_told_what_is_closed_and_never_that_it_is_safe() -> None:
    told = "\n".join(line.text for line in lines(await radius(await shop(), (WEB,), isolating())))
    assert "could reach 1 conditional, 2 direct" in told
    assert "secret/shop/keys  RUNS_AS → SECRET_READ  by RoleBinding/shop/r (still conditional)" in told
    assert "pod/shop/db  NET_REACH  by no policy (closed)" in told
    assert "with the plan carried out: 2 conditional" in told
    assert "what could be reached may be more: no Secret is in the data" in told
    assert "safe" not in told


async def test_a_report_says_what_could_be_reached_and_what_stays_open() -> None:
    found = await radius(await shop(), (WEB,), isolating())
    assert [*told(found)] == [
        "From there an attacker could reach 1 conditional, 2 direct.",
        "With the plan carried out: 2 conditional.",
    ]
    lines_ = [*still(found)]
    assert lines_[0] == "sa/shop/web can still be reached, conditional: RUNS_AS, by Pod/shop/web"
    assert any(line.startswith("what could be reached may be more: no Secret") for line in lines_)
    assert [*still(BlastRadius(counts={}, planned=True))] == []
