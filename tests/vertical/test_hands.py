"""The freezer and the capturer as they run: asked over the bus, at the API server with all the rights they have."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

import activities.actions
from activities import expiry, writing
from activities.action import Action, CaseRef
from activities.adapters.capturer import Captures
from activities.adapters.freezer import Freezes
from activities.adapters.kubernetes import connect
from activities.consent import Consents
from activities.divided import Divided
from activities.ports import CAPTURES, FREEZES, PODS, REPLICA_SETS, ROLE_BINDINGS, Manifest
from deploy.grants import Grant
from deploy.identities import identities
from signals.catalog import load
from signals.decisions import OnExpiry, PlannedAction
from signals.entities import Entity
from signals.errors import Refused, Unavailable
from signals.plans import ActionPlan
from signals.receipts import ActionState, Receipt
from signals.subjects import (
    CAPTURER,
    CREDENTIAL_FREEZER,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    service_account,
    service_subject,
)
from tests.vertical.scene import Scene
from tests.vertical.stage import Stage
from tests.workflows.world import Bucket
from workers.__main__ import keys
from workers.bus import Bus
from workers.settings import Settings
from workers.stack.kubernetes import NODES
from workers.stack.layout import Layout

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

ACTIONS = load(activities.actions, Action)
UNSEEN = {("", "pods/exec", "create")}
"""The API server asks for it beside `get`, without a request of its own, so it is in no audit record."""


@asynccontextmanager
async def executor(stage: Stage) -> AsyncIterator[Divided]:
    """Yield the cluster as the executor's own process sees it: its token, its key, its place on the bus."""
    layout = Layout(Path(stage.status.state_dir))
    told = Settings(nats_url=stage.status.endpoints.nats or "", nats_dir=layout.nats, keys_dir=layout.keys)
    signer, trust, _ = keys(told, REMEDIATION_EXECUTOR)
    bus = await Bus.connect(told, REMEDIATION_EXECUTOR)
    ref = stage.cluster.ref
    cluster = await connect(layout.kubeconfig(REMEDIATION_EXECUTOR), None, ref.name, ref)

    async def freezer(order: bytes) -> bytes:
        return await bus.ask(service_subject(CREDENTIAL_FREEZER, "freezes"), order, 5)

    async def capturer(order: bytes) -> bytes:
        return await bus.ask(service_subject(CAPTURER, "captures"), order, 40)

    consents = Consents(Bucket(), trust)
    freezes = Freezes(ref, signer, trust, freezer, consents)
    try:
        yield Divided(cluster, {FREEZES: freezes, CAPTURES: Captures(ref, signer, trust, capturer)})
    finally:
        await cluster.close()
        await bus.close()


async def suspect(stage: Stage, scene: Scene) -> Manifest:
    """Create a pod of a ReplicaSet that runs on a node."""
    pods = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"nodeName": NODES[0], "containers": [{"name": "web", "image": "a/b:1"}]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": pods},
    }
    await stage.cluster.create(REPLICA_SETS.ref("web", scene.namespace), body)
    deadline = time.monotonic() + 20
    while True:
        for pod in await stage.cluster.list(PODS, scene.namespace):
            if pod["spec"].get("nodeName"):
                return pod
        assert time.monotonic() < deadline, "no pod was placed"
        await asyncio.sleep(0.05)


async def planned(cluster: Divided, stage: Stage, pod: Manifest, kind: str) -> ActionPlan:
    metadata = pod["metadata"]
    target = Entity(
        cluster=stage.cluster.ref,
        kind="Pod",
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
    )
    action = PlannedAction(
        id=f"{kind}-{metadata['uid']}", type=kind, targets=(target,), index=1, ttl_seconds=600,
        on_expiry=OnExpiry.ASK, summary=kind,
    )  # fmt: skip
    case = CaseRef(incident=f"{metadata['namespace']}-case", expires_at=stage_end())
    plan = await ACTIONS[kind].plan(cluster, action, case)
    assert not plan.blocked, plan.blocked
    return plan


def stage_end() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def token(stage: Stage, pod: Manifest) -> str:
    """Return a token as the pod itself has it: bound to that pod."""
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
            }
        },
    }
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/default/token"
    made = await stage.cluster._http.call("POST", path, [], asked)
    return str(made["status"]["token"])


def used(log: Path, agent: str) -> set[tuple[str, str, str]]:
    """Return every right that an agent used, by the API server's own word; not what everybody may."""
    found = set()
    for line in log.read_text().splitlines():
        record = json.loads(line)
        why = record.get("annotations", {}).get("authorization.k8s.io/reason", "")
        place = record.get("objectRef") or {}
        if record["user"]["username"] == service_account(agent) and f"firebreak-{agent}" in why:
            resource = "/".join(filter(None, (place["resource"], place.get("subresource"))))
            found.add((place.get("apiGroup", ""), resource, record["verb"]))
    return found


def granted(agent: str) -> set[tuple[str, str, str]]:
    (row,) = [one for one in identities() if one.agent == agent]
    within = [one for _, grants in row.within for one in grants]
    grants: tuple[Grant, ...] = (*row.cluster, *row.enrolled, *within)
    return {(one.group, one.resource, verb) for one in grants for verb in one.verbs}


async def test_the_freezer_freezes_over_the_bus_and_uses_every_right_that_it_has(stage: Stage) -> None:
    async with stage.scene() as scene, executor(stage) as cluster:
        pod = await suspect(stage, scene)
        plan = await planned(cluster, stage, pod, "freeze_credentials")
        await writing.apply(cluster, plan)
        assert [one["spec"]["pod"] for one in await cluster.list(FREEZES, scene.namespace)] == [
            pod["metadata"]["name"]
        ]
        later = stage_end() + timedelta(hours=1)
        assert await expiry.extend(cluster, plan.writes, later) == 1
        await writing.revert(cluster, plan)
        assert await cluster.list(FREEZES, scene.namespace) == []
    assert used(Path(stage.status.endpoints.audit_log or ""), CREDENTIAL_FREEZER) == granted(
        CREDENTIAL_FREEZER
    )


async def test_the_capturer_captures_over_the_bus_and_uses_every_right_that_it_has(stage: Stage) -> None:
    async with stage.scene() as scene, executor(stage) as cluster:
        pod = await suspect(stage, scene)
        plan = await planned(cluster, stage, pod, "capture_evidence")
        incident = f"{scene.namespace}-case"
        receipt = Receipt(
            action=plan.action,
            incident=incident,
            cluster=stage.cluster.ref,
            plan=plan,
            plan_hash="",
            state=ActionState.APPLIED,
        )
        await writing.apply(cluster, plan)
        perform = ACTIONS["capture_evidence"].perform
        assert perform
        done = await perform(cluster, receipt)
        await writing.revert(cluster, plan)
        failed = {item.what: item.failed for item in done.evidence if item.failed}
        kept = {item.what for item in done.evidence if not item.failed}
        name = pod["metadata"]["name"]
        assert {f"pod {name}", f"events of {name}", f"owner web of {name}"} <= kept
        assert f"processes of {name}, container web" in failed, "a node that kwok plays runs nothing"
        assert done.failed == ""
        code, listed, _ = await stage.firebreak("evidence", "list", incident, "-o", "json")
        items = json.loads(listed)
        assert code == 0
        assert len(items) == len(done.evidence) - 1
        (number,) = [one["item"] for one in items if one["what"] == f"pod {name}"]
        code, text, _ = await stage.firebreak("evidence", "get", incident, str(number), "-o", "json")
        assert json.loads(json.loads(text)["content"])["metadata"]["uid"] == pod["metadata"]["uid"]
    log = Path(stage.status.endpoints.audit_log or "")
    assert used(log, CAPTURER) | UNSEEN == granted(CAPTURER)


async def test_nobody_else_reaches_freezer_or_capturer_on_the_bus(stage: Stage) -> None:
    layout = Layout(Path(stage.status.state_dir))
    told = Settings(nats_url=stage.status.endpoints.nats or "", nats_dir=layout.nats)
    bus = await Bus.connect(told, ORCHESTRATOR)
    try:
        for agent, service in ((CREDENTIAL_FREEZER, "freezes"), (CAPTURER, "captures")):
            with pytest.raises((Unavailable, Refused)):
                await bus.ask(service_subject(agent, service), b"{}", 1)
    finally:
        await bus.close()


async def test_a_stolen_token_writes_until_the_pod_is_frozen_and_again_when_it_is_thawed(
    stage: Stage,
) -> None:
    async with stage.scene() as scene, executor(stage) as cluster:
        pod = await suspect(stage, scene)
        stolen = await token(stage, pod)
        account = {"kind": "ServiceAccount", "name": "default", "namespace": scene.namespace}
        group = "rbac.authorization.k8s.io"
        edit = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "careless"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
            "subjects": [account],
        }
        await stage.cluster.create(ROLE_BINDINGS.ref("careless", scene.namespace), edit)
        plan = await planned(cluster, stage, pod, "freeze_credentials")
        assert await write(stage, scene, stolen) == 201
        await writing.apply(cluster, plan)
        took = await until(stage, scene, stolen, 403)
        await writing.revert(cluster, plan)
        thawed = await until(stage, scene, stolen, 201)
        figure = f"{took * 1000:.0f} ms, {thawed * 1000:.0f} ms after the write"
        stage.figures["credentials frozen, thawed"] = figure


async def write(stage: Stage, scene: Scene, bearer: str) -> int:
    """Return the status of one write as the holder of a token."""
    configuration = stage.cluster._http._api.configuration
    url = f"{configuration.host}/api/v1/namespaces/{scene.namespace}/configmaps?dryRun=All"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers=headers, ssl=_tls(configuration.ssl_ca_cert)) as answer,
    ):
        return answer.status


def _tls(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


async def until(stage: Stage, scene: Scene, bearer: str, status: int) -> float:
    """Return how many seconds it took until a write was answered so."""
    began = time.monotonic()
    while await write(stage, scene, bearer) != status:
        assert time.monotonic() - began < 10
        await asyncio.sleep(0.002)
    return time.monotonic() - began
