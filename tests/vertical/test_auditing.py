"""From a request to the API server, by its audit log, to an incident: the second witness, on the whole stack."""

import asyncio
import uuid
from typing import Any

import pytest

import deploy
from activities.ports import ROLE_BINDINGS, SERVICE_ACCOUNTS, Manifest
from signals.decisions import Tier
from signals.errors import BadInput, Refused
from signals.incidents import Incident
from signals.plans import ObjectRef
from signals.subjects import RBAC_AUDITOR, RUNTIME_GUARDIAN
from signals.threats import Severity
from tests.vertical.scene import EGRESS, REVERSE_SHELL, Scene
from tests.vertical.stage import Stage, settled, until
from workers.stack.access import of_administrator
from workers.stack.api import Access, Api
from workers.stack.health import trusting

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

RBAC = "rbac.authorization.k8s.io"
CLUSTER_BINDINGS = f"/apis/{RBAC}/v1/clusterrolebindings"


async def account(stage: Stage, here: Scene, name: str, role: str, pod: Manifest | None = None) -> Access:
    """Return the API server as a ServiceAccount that holds a role here, by a token made for a pod or for none."""
    who = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    if pod is None:
        await stage.cluster.create(SERVICE_ACCOUNTS.ref(name, here.namespace), who)
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": here.namespace}],
    }
    await stage.cluster.create(ROLE_BINDINGS.ref(name, here.namespace), binding)
    spec: dict[str, Any] = {"expirationSeconds": 3600}
    if pod is not None:
        metadata = pod["metadata"]
        spec["boundObjectRef"] = {
            "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"],
        }  # fmt: skip
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{here.namespace}/serviceaccounts/{name}/token"
    admin = of_administrator(stage.stack.layout)
    async with Api(admin) as api:
        token = (await api.request("POST", path, asked))["status"]["token"]
    tls = trusting(stage.stack.layout.pki / "ca.crt")
    return Access(server=admin.server, tls=tls, headers={"Authorization": f"Bearer {token}"})


async def raised(stage: Stage, here: Scene, detector: str) -> Incident:
    """Return the incident of a namespace that holds an event of this detector."""
    found: list[Incident] = []

    async def look() -> bool:
        for one in await stage.summaries(here):
            incident = await stage.ledger.ask(one.id)
            if any(event.detector == detector for event in incident.events):
                found.append(incident)
                return True
        return False

    await until(look, lambda: f"nothing was raised by {detector}")
    return found[-1]


async def test_who_tries_the_lock_is_refused_and_becomes_an_incident(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        contained = await stage.incident(here, settled)
        live = await stage.cluster.get(
            ObjectRef(group="", version="v1", resource="pods", name="web-0", namespace=here.namespace)
        )
        mark = next(key for key in live["metadata"]["labels"] if key.startswith("firebreak.dev/m-"))
        stranger = await account(stage, here, "intruder", "edit")

        async with Api(stranger) as api:
            path = f"/api/v1/namespaces/{here.namespace}/pods/web-0"
            body = {"metadata": {"labels": {mark: None}}}
            with pytest.raises((Refused, BadInput), match="firebreak-lock-pods"):
                await api.request("PATCH", path, body, content_type="application/merge-patch+json")

        incident = await raised(stage, here, "containment_tampering")
        event = next(one for one in incident.events if one.detector == "containment_tampering")
        assert incident.summary.id == contained.summary.id, "it is told where the pod is told of"
        assert (event.agent, event.subject.kind, event.subject.name) == (
            RBAC_AUDITOR,
            "ServiceAccount",
            "intruder",
        )
        assert "tried to change what holds a contained pod" in event.title
        assert not event.caveats
        assert event.enrolled
        still = await stage.ledger.ask(contained.summary.id)
        assert settled(still)


async def test_an_alert_and_an_audit_event_about_one_pod_are_two_witnesses(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        access = await account(stage, here, "default", "view", pod)
        name = f"reads-{uuid.uuid4().hex[:8]}"
        everywhere = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": RBAC,
                "kind": "ClusterRole",
                "name": "system:controller:namespace-controller",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": here.namespace}],
        }
        async with Api(of_administrator(stage.stack.layout)) as admin:
            await admin.request("POST", CLUSTER_BINDINGS, everywhere)
            await stage.post(here.alert(EGRESS, pod))
            alone = await stage.incident(here, lambda incident: bool(incident.decisions))
            assert alone.summary.tier == Tier.RESTRICT
            async with Api(access) as api:
                await api.request("GET", "/api/v1/secrets?limit=1")

            both = await stage.incident(
                here,
                lambda incident: {one.agent for one in incident.events} == {RBAC_AUDITOR, RUNTIME_GUARDIAN},
            )
            both = await stage.incident(here, lambda incident: incident.summary.tier == Tier.ISOLATE)
            await admin.request("DELETE", f"{CLUSTER_BINDINGS}/{name}")

        dump = next(one for one in both.events if one.agent == RBAC_AUDITOR)
        assert dump.subject.uid == pod["metadata"]["uid"]
        confidences = [one.confidence or 0 for one in both.events if one.agent == RUNTIME_GUARDIAN]
        expected = 1 - (1 - max(confidences)) * (1 - (dump.confidence or 0))
        assert both.summary.confidence == pytest.approx(expected, abs=1e-6)


async def test_what_nothing_can_refuse_is_seen_and_paged(stage: Stage) -> None:
    """An admission policy of ours is deleted by somebody who may: no policy is asked about policies."""
    name, group = "firebreak-executor-never", "admissionregistration.k8s.io"
    suffix = uuid.uuid4().hex[:8]
    rules = [{"apiGroups": [group], "resources": ["validatingadmissionpolicies"], "verbs": ["delete"]}]
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"out-{suffix}"},
        "rules": rules,
    }
    [shipped] = [
        one
        for one in deploy.manifests()
        if one["kind"].endswith("Policy") and one["metadata"]["name"] == name
    ]
    async with stage.scene() as here, Api(of_administrator(stage.stack.layout)) as admin:
        intruder = await account(stage, here, "intruder", "view")
        await admin.apply(role)
        await admin.apply(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"out-{suffix}"},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"out-{suffix}"},
                "subjects": [{"kind": "ServiceAccount", "name": "intruder", "namespace": here.namespace}],
            }
        )
        async with Api(intruder) as api:

            async def deleted() -> bool:
                try:
                    await api.request("DELETE", f"/apis/{group}/v1/validatingadmissionpolicies/{name}")
                except Refused:
                    return False  # the API server takes a moment to know a new binding
                return True

            await until(deleted, lambda: "it could not be deleted")
        await admin.apply(shipped)
        for kind in ("clusterrolebindings", "clusterroles"):
            await admin.request("DELETE", f"/apis/{RBAC}/v1/{kind}/out-{suffix}")

        incident = await raised(stage, here, "guard_changed")

        async def paged() -> bool:
            pages = await asyncio.to_thread(stage.stack.layout.pages.read_text)
            return incident.summary.id in pages

        await until(paged, lambda: "nobody was paged")
    [event] = [one for one in incident.events if one.detector == "guard_changed"]
    assert (event.severity, event.subject.name) == (Severity.CRITICAL, "intruder")
    assert name in event.title


async def test_an_ordinary_day_raises_nothing(stage: Stage) -> None:
    """Installing, enrolling, containing and undoing on this stack is work, not an attack."""
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(EGRESS, pod))
        incident = await stage.incident(here, settled)
        await stage.firebreak("undo", incident.summary.id, "--reason", "quiet")
        incident = await stage.ledger.ask(incident.summary.id)

    everything = await stage.ledger.summaries()
    assert [
        one.title for one in everything if "firebreak-admin" in one.title or "agent of Firebreak" in one.title
    ] == []
    assert {one.agent for one in incident.events} == {RUNTIME_GUARDIAN}
