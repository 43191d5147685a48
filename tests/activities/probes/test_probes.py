"""What each probe finds, and the laws that hold for all of them."""

import sys
from typing import Any

import pytest

import activities.probes
from activities.adapters.memory import MemoryCluster
from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    CRON_JOBS,
    DAEMON_SETS,
    INGRESSES,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from activities.probe import Answer, Probe
from deploy.grants import grant
from deploy.identities import identities
from signals.catalog import load
from signals.entities import Entity
from signals.errors import NotFound
from signals.incidents import Relation
from signals.subjects import FORENSIC_INVESTIGATOR
from tests.activities.sample import CLUSTER, DIGEST, SECRET, SHOP, entity, owned, pod, put, shop

PROBES = load(activities.probes, Probe)
READS = {"get", "list", "watch"}


async def one_of_each() -> tuple[MemoryCluster, list[Entity]]:
    """Return a cluster, and everything in it that probes can be asked about."""
    cluster, first = await shop()
    subjects = [entity(first), entity(await cluster.get(NODES.ref("node-1")))]
    for resource in (STATEFUL_SETS, DAEMON_SETS):
        owner = await put(cluster, resource, "owner", spec={})
        subjects.append(entity(await pod(cluster, resource.plural, owned(owner))))
    cron = await put(cluster, CRON_JOBS, "nightly", spec={})
    job = await put(cluster, JOBS, "nightly-1", metadata=owned(cron), spec={})
    subjects.append(entity(await pod(cluster, "nightly-1-x", owned(job))))
    subjects.append(Entity(cluster=CLUSTER, kind="ServiceAccount", namespace=SHOP, name="web"))
    return cluster, subjects


async def ask(name: str, cluster: MemoryCluster, manifest: dict[str, Any]) -> Answer:
    """Ask one probe about one object."""
    return await PROBES[name].ask(cluster, entity(manifest))


def related(answer: Answer, relation: Relation) -> set[tuple[str, str]]:
    """Return the names of what is related so."""
    names = {node.id: node.entity.name for node in answer.nodes}
    return {(names[edge.source], names[edge.target]) for edge in answer.edges if edge.type is relation}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
async def test_a_probe_uses_exactly_the_rights_it_declares_and_none_writes(probe: Probe) -> None:
    cluster, subjects = await one_of_each()
    for subject in subjects:
        if subject.kind in probe.about:
            await probe.ask(cluster.identity(probe.name), subject)
    grants = [grant(permission) for permission in probe.permissions]
    declared = {(f"{one.group}/{one.resource}".lstrip("/"), verb) for one in grants for verb in one.verbs}
    assert cluster.used(probe.name) == declared
    assert {verb for _, verb in declared} <= READS


def test_the_investigator_is_granted_what_its_probes_declare() -> None:
    investigator = next(one for one in identities() if one.agent == FORENSIC_INVESTIGATOR)
    granted = {(one.group, one.resource, verb) for one in investigator.cluster for verb in one.verbs}
    wanted = [grant(permission) for probe in PROBES.values() for permission in probe.permissions]
    assert {(one.group, one.resource, verb) for one in wanted for verb in one.verbs} <= granted
    assert {verb for _, _, verb in granted} <= READS


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
async def test_no_probe_repeats_a_secret(probe: Probe) -> None:
    cluster, subjects = await one_of_each()
    answers = [await probe.ask(cluster, subject) for subject in subjects if subject.kind in probe.about]
    assert answers
    assert SECRET not in repr(answers)


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
async def test_every_edge_stands_between_things_that_were_put_down(probe: Probe) -> None:
    cluster, subjects = await one_of_each()
    for subject in subjects:
        if subject.kind in probe.about:
            answer = await probe.ask(cluster, subject)
            seen = {node.id for node in answer.nodes}
            assert {end for edge in answer.edges for end in (edge.source, edge.target)} <= seen


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_a_probe_asks_a_question_and_its_module_opens_with_it(probe: Probe) -> None:
    assert probe.question.endswith("?")
    assert (sys.modules[probe.ask.__module__].__doc__ or "").splitlines()[0] == probe.question


@pytest.mark.parametrize("probe", [p for p in PROBES.values() if "Pod" in p.about], ids=lambda p: p.name)
async def test_a_pod_that_took_the_name_of_another_is_not_described_as_it(probe: Probe) -> None:
    cluster, first = await shop()
    await cluster.delete(PODS.ref("web-0", SHOP))
    await pod(cluster, "web-0")
    with pytest.raises(NotFound, match="another pod has its name now"):
        await probe.ask(cluster, entity(first))


async def test_a_pod_with_the_nodes_powers_says_so() -> None:
    cluster, _ = await shop()
    container = {
        "name": "evil",
        "image": "evil:1",
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    }
    volumes = [{"name": "root", "hostPath": {"path": "/"}}, {"name": "s", "secret": {"secretName": "tls"}}]
    powerful = await pod(
        cluster, "evil", hostNetwork=True, hostPID=True, containers=[container], volumes=volumes
    )
    answer = await ask("pod", cluster, powerful)
    assert answer.findings == (
        "pod/shop/evil shares its node's network: no NetworkPolicy applies to it",
        "pod/shop/evil sees every process of its node",
        "pod/shop/evil mounts / of its node",
        "pod/shop/evil: container evil is privileged: root on the node",
        "pod/shop/evil: container evil adds capabilities SYS_ADMIN",
    )
    assert related(answer, Relation.READS) == {("evil", "tls")}
    assert answer.missing == (
        "pod/shop/evil: the digest of evil:1 is not known: the node has not reported it",
    )


async def test_an_ordinary_pod_names_its_digest_and_the_secrets_it_is_given() -> None:
    cluster, first = await shop()
    answer = await ask("pod", cluster, first)
    assert related(answer, Relation.RUNS_IMAGE) == {("web-0", DIGEST)}
    assert related(answer, Relation.READS) == {("web-0", "db-token")}
    assert answer.findings == answer.missing == ()


async def test_the_owner_chain_ends_at_the_deployment() -> None:
    cluster, first = await shop()
    answer = await ask("owner_chain", cluster, first)
    assert related(answer, Relation.OWNS) == {("web-5d", "web-0"), ("web", "web-5d")}


async def test_an_owner_that_is_gone_or_of_a_foreign_kind_is_said_to_be_missing() -> None:
    cluster, first = await shop()
    await cluster.delete(REPLICA_SETS.ref("web-5d", SHOP))
    gone = await ask("owner_chain", cluster, first)
    assert gone.missing == ("replicaset/shop/web-5d is gone: its own owner is not known",)
    rollout = {"kind": "Rollout", "metadata": {"name": "web", "uid": "r"}}
    foreign = await ask("owner_chain", cluster, await pod(cluster, "rolled", owned(rollout)))
    assert related(foreign, Relation.OWNS) == {("web", "rolled")}
    assert "of a kind that is not read here" in foreign.missing[0]


async def test_a_pod_without_an_owner_is_irreplaceable() -> None:
    cluster, _ = await shop()
    answer = await ask("owner_chain", cluster, await pod(cluster, "alone"))
    assert answer.findings == ("pod/shop/alone has no owner: if it is deleted, nothing brings it back",)


async def test_bindings_of_the_account_and_of_its_groups_are_found() -> None:
    cluster, first = await shop()
    await put(
        cluster,
        CLUSTER_ROLE_BINDINGS,
        "system:discovery",
        metadata={"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        subjects=[{"kind": "Group", "name": "system:authenticated"}],
        roleRef={"kind": "ClusterRole", "name": "system:discovery"},
    )
    answer = await ask("service_account", cluster, first)
    assert related(answer, Relation.RUNS_AS) == {("web-0", "web")}
    assert related(answer, Relation.BINDS) == {("web-edits", "web"), ("everyone-reads", "web")}
    assert related(answer, Relation.GRANTS) == {("web-edits", "edit"), ("everyone-reads", "reader")}
    assert answer.findings == (
        "pod/shop/web-0 holds a token of serviceaccount/shop/web",
        "serviceaccount/shop/web has the role edit in namespace shop, by rolebinding/shop/web-edits",
    )


async def test_a_pod_that_refuses_its_token_holds_none() -> None:
    cluster, _ = await shop()
    answer = await ask(
        "service_account", cluster, await pod(cluster, "x", automountServiceAccountToken=False)
    )
    assert not any("holds a token" in finding for finding in answer.findings)


async def test_a_control_plane_node_that_is_not_ready_says_so() -> None:
    cluster, _ = await shop()
    node = await put(
        cluster,
        NODES,
        "cp",
        metadata={"labels": {"node-role.kubernetes.io/control-plane": ""}},
        status={"conditions": [{"type": "Ready", "status": "Unknown"}]},
    )
    answer = await ask("node", cluster, node)
    assert answer.findings == (
        "node/cp belongs to the control plane",
        "node/cp is not ready: what its pods do cannot be seen from here",
    )


async def test_a_pod_that_waits_for_a_node_is_on_none() -> None:
    cluster, _ = await shop()
    answer = await ask("node", cluster, await pod(cluster, "waiting", nodeName=None))
    assert answer.missing == ("pod/shop/waiting is on no node yet",)


async def test_only_services_that_select_the_pod_are_found() -> None:
    cluster, first = await shop()
    answer = await ask("services", cluster, first)
    assert related(answer, Relation.SELECTS) == {("web", "web-0")}
    assert answer.findings == (
        "pod/shop/web-0 can be reached from outside: service/shop/web is a LoadBalancer",
    )


async def test_an_ingress_that_leads_to_a_service_of_the_pod_opens_it_to_the_outside() -> None:
    cluster, first = await shop()
    for name, service in (("front", "web"), ("back", "other")):
        path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service}}}
        await put(
            cluster, INGRESSES, name, spec={"rules": [{"host": f"{name}.example", "http": {"paths": [path]}}]}
        )
    answer = await ask("services", cluster, first)
    assert related(answer, Relation.ROUTES) == {("front", "web")}
    assert "pod/shop/web-0 can be reached from outside: ingress/shop/front leads to service/shop/web" in (
        answer.findings
    )


async def test_a_pod_beyond_what_its_namespace_asks_for_says_each_breach() -> None:
    cluster, _ = await shop()
    label = {
        "op": "add",
        "path": "/metadata/labels",
        "value": {"pod-security.kubernetes.io/warn": "baseline"},
    }
    await cluster.patch(NAMESPACES.ref(SHOP), [label])
    answer = await ask("pod_security", cluster, await pod(cluster, "evil", hostPID=True))
    assert answer.findings == (
        "pod/shop/evil: the pod sets hostPID, which namespace/shop forbids (warn: baseline)",
    )
    seen = next(node for node in answer.nodes if node.entity.name == "evil")
    assert seen.attributes == {"pod_security": "privileged", "beyond_baseline": ["the pod sets hostPID"]}


async def test_a_privileged_pod_where_no_level_is_named_is_a_finding_too() -> None:
    cluster, first = await shop()
    assert (await ask("pod_security", cluster, first)).findings == ()
    answer = await ask("pod_security", cluster, await pod(cluster, "evil", hostPID=True))
    assert answer.findings == (
        "pod/shop/evil has more than baseline, and namespace/shop names no Pod Security level",
    )


async def test_a_direction_that_no_policy_limits_is_a_finding() -> None:
    cluster, first = await shop()
    answer = await ask("network_policies", cluster, first)
    assert related(answer, Relation.SELECTS) == {("web", "web-0")}
    assert answer.findings == ("no network policy limits connections out of pod/shop/web-0",)


async def test_events_keep_their_reason_and_lose_their_message() -> None:
    cluster, first = await shop()
    answer = await ask("events", cluster, first)
    assert related(answer, Relation.HAPPENED_TO) == {("web-0.1", "web-0")}
    event = next(node for node in answer.nodes if node.entity.kind == "Event")
    assert event.attributes == {
        "reason": "Unhealthy",
        "type": "Warning",
        "count": 3,
        "last_seen": "2026-01-01T00:00:00Z",
    }


async def test_siblings_share_a_digest_not_a_tag() -> None:
    cluster, first = await shop()
    await put(cluster, PODS, "same-tag", spec={"containers": [{"name": "web", "image": "shop/web:1"}]})
    answer = await ask("siblings", cluster, first)
    assert related(answer, Relation.RUNS_IMAGE) == {("web-1", DIGEST)}
    assert answer.findings == ("1 other pod of shop runs the same image as pod/shop/web-0",)
