"""The five questions of a report: yes and no need proof, and what nobody saw is unknown."""

from dataclasses import replace
from typing import Any

import activities.probes
from activities.adapters.memory import MemoryCluster
from activities.investigate import Investigating
from activities.ports import CLUSTER_ROLE_BINDINGS, INGRESSES, NAMESPACES, SERVICES, Manifest
from activities.probe import Answer, Probe
from signals.catalog import load
from signals.decisions import Term
from signals.entities import Entity
from signals.errors import Unavailable
from signals.incidents import Incident, Investigation
from signals.questions import Answered, Question, questions
from signals.requests import InvestigationRequest
from signals.threats import Peer
from tests.activities.sample import CLUSTER, SHOP, entity, pod, put, shop
from tests.workers.cli import sample


async def asked(cluster: MemoryCluster, manifest: Manifest, **updates: Any) -> dict[str, Question]:
    """Investigate one pod with all probes, and answer the questions about it."""
    subject = entity(manifest)
    request = InvestigationRequest(incident=sample.ID, cluster=CLUSTER, subjects=(subject,))
    found = await Investigating(cluster, load(activities.probes, Probe)).collect_evidence(request)
    return answers(incident(subject, found, **updates))


def incident(subject: Entity, found: Investigation | None, **updates: Any) -> Incident:
    event = sample.event().model_copy(update={"subject": subject, **updates})
    return sample.incident().model_copy(update={"events": (event,), "investigation": found})


def answers(told: Incident) -> dict[str, Question]:
    return {question.name: question for question in questions(told)}


async def test_a_pod_behind_a_load_balancer_or_an_ingress_is_exposed_and_the_way_is_named() -> None:
    cluster, first = await shop()
    balanced = (await asked(cluster, first))["exposed"]
    assert (balanced.answer, balanced.proof) == (
        Answered.YES,
        ("service/shop/web is a LoadBalancer and leads to pod/shop/web-0",),
    )
    await cluster.delete(SERVICES.ref("web", SHOP))
    assert (await asked(cluster, first))["exposed"].answer is Answered.NO
    await put(cluster, SERVICES, "web", spec={"type": "ClusterIP", "selector": {"app": "web"}})
    await put(cluster, INGRESSES, "front", spec={"defaultBackend": {"service": {"name": "web"}}})
    routed = (await asked(cluster, first))["exposed"]
    assert routed.proof == ("ingress/shop/front leads to pod/shop/web-0 through service/shop/web",)


async def away(*_: object) -> Answer:
    """Ask a server that does not answer."""
    raise Unavailable("the API server is away")


async def test_what_a_probe_could_not_see_is_unknown_and_says_so() -> None:
    cluster, first = await shop()
    await cluster.delete(SERVICES.ref("web", SHOP))
    subject, probes = entity(first), dict(load(activities.probes, Probe))
    probes["services"] = replace(probes["services"], ask=away)
    request = InvestigationRequest(incident=sample.ID, cluster=CLUSTER, subjects=(subject,))
    found = await Investigating(cluster, probes).collect_evidence(request)
    told = answers(incident(subject, found))["exposed"]
    assert told.answer is Answered.UNKNOWN
    assert told.proof == ("services of pod/shop/web-0: the API server is away",)
    unseen = answers(incident(subject, None))
    assert unseen["exposed"].proof == unseen["excess-privilege"].proof == ("nobody has investigated yet",)


async def test_rights_on_the_node_and_strong_roles_are_excess() -> None:
    cluster, first = await shop()
    told = (await asked(cluster, first))["excess-privilege"]
    assert told.answer is Answered.YES
    assert told.proof == (
        "serviceaccount/shop/web has the role edit, by rolebinding/shop/web-edits",
        *(line for line in told.proof[1:]),
    )
    evil = await pod(cluster, "evil", hostPID=True, serviceAccountName="web")
    assert "pod/shop/evil: the pod sets hostPID" in (await asked(cluster, evil))["excess-privilege"].proof


async def test_the_control_plane_is_what_the_judge_called_so() -> None:
    cluster, first = await shop()
    assert (await asked(cluster, first))["sensitive-namespace"].answer is Answered.NO
    told = incident(entity(first), None)
    term = Term(
        name="control plane", value="4", effect="a person decides", reason="pod/kube-system/x is part of it"
    )
    judged = sample.decision().model_copy(update={"terms": (term,)})
    sensitive = answers(told.model_copy(update={"decisions": (judged,)}))["sensitive-namespace"]
    assert (sensitive.answer, sensitive.proof) == (Answered.YES, ("pod/kube-system/x is part of it",))


async def test_a_connection_to_another_pod_is_movement_and_silence_is_unknown() -> None:
    cluster, first = await shop()
    assert (await asked(cluster, first))["lateral-movement"].answer is Answered.UNKNOWN
    other = Entity(cluster=CLUSTER, kind="Pod", namespace=SHOP, name="db-0", uid="db")
    moved = await asked(cluster, first, peer=Peer(address="10.0.0.9", port=5432, pod=other))
    assert moved["lateral-movement"].proof == ("pod/shop/web-0 was connected to pod/shop/db-0",)


async def test_a_namespace_that_asks_for_more_than_its_pod_keeps_is_a_policy_broken() -> None:
    cluster, first = await shop()
    label = {"pod-security.kubernetes.io/audit": "restricted"}
    await cluster.patch(NAMESPACES.ref(SHOP), [{"op": "add", "path": "/metadata/labels", "value": label}])
    told = (await asked(cluster, first))["policy-violated"]
    assert (
        "pod/shop/web-0 keeps the level baseline, and namespace/shop asks for restricted (audit)"
        in told.proof
    )


async def test_a_binding_in_the_whole_cluster_is_named_as_such() -> None:
    cluster, first = await shop()
    account = {"kind": "ServiceAccount", "name": "web", "namespace": SHOP}
    role = {"kind": "ClusterRole", "name": "cluster-admin"}
    await put(cluster, CLUSTER_ROLE_BINDINGS, "oops", subjects=[account], roleRef=role)
    told = (await asked(cluster, first))["excess-privilege"]
    assert "serviceaccount/shop/web has the role cluster-admin, by clusterrolebinding/oops" in told.proof
