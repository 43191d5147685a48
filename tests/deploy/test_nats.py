"""The bus's identities on a real NATS: what each may do, and attacks that must come to nothing."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import APIError

from activities.adapters.nats import ClientTls
from deploy.bus import client_certificates, on_the_bus
from deploy.nats import GIVEN_UP, MAX_PAYLOAD, provision, render
from signals.subjects import (
    AGENTS,
    CAPTURER,
    EVIDENCE_READER,
    LIAISON,
    OPERATOR,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    ROUTING_BUCKET,
    RUNTIME_GUARDIAN,
    audit_stream,
    dead_stream,
    feed_stream,
    spiffe_id,
    threat_subject,
    threats_api,
    threats_stream,
)
from tests.nats_server import NatsServer, nats_server, serving
from workers.stack.pki import CLIENT, SERVER, Authority, Subject

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

THREATS = threats_stream(RUNTIME_GUARDIAN)
FEED = feed_stream(RUNTIME_GUARDIAN)
DEAD = dead_stream(RUNTIME_GUARDIAN)
SUBJECT = threat_subject(RUNTIME_GUARDIAN, "shell")
INSTALLER = f"provisioner-{RUNTIME_GUARDIAN}"
SIDEKICK = "falcosidekick"


class Speaker:
    """One raw connection, and what the server said against it."""

    def __init__(self) -> None:
        self.client: Any = nats.NATS()
        self.js: Any = self.client.jetstream(timeout=1)
        self.errors: list[str] = []

    async def _note(self, error: Exception) -> None:
        self.errors.append(str(error))

    async def connect(self, server: NatsServer, name: str, certificate: str = "", **options: Any) -> None:
        await self.client.connect(
            server.url,
            tls=ClientTls(server.pki, certificate or name).context,
            name=name,
            inbox_prefix=f"_INBOX.{name}",
            error_cb=self._note,
            allow_reconnect=False,
            connect_timeout=3,
            **options,
        )

    async def denied(self, subject: str, payload: bytes = b"{}", **options: Any) -> bool:
        """Publish, and return whether the server said no."""
        before = len(self.errors)
        await self.client.publish(subject, payload, **options)
        return await self._said_no(before, subject)

    async def deaf(self, subject: str) -> bool:
        """Subscribe, and return whether the server said no."""
        before = len(self.errors)
        await self.client.subscribe(subject)
        return await self._said_no(before, subject)

    async def _said_no(self, before: int, subject: str) -> bool:
        await self.client.flush()
        await asyncio.sleep(0.05)
        return any(
            "permissions violation" in error and subject.lower() in error for error in self.errors[before:]
        )


@asynccontextmanager
async def speaking(server: NatsServer, name: str, **options: Any) -> AsyncIterator[Speaker]:
    speaker = Speaker()
    await speaker.connect(server, name, **options)
    try:
        yield speaker
    finally:
        await speaker.client.close()


async def count(server: NatsServer, stream: str, owner: str = RUNTIME_GUARDIAN) -> int:
    async with speaking(server, f"provisioner-{owner}") as installer:
        return int((await installer.js.stream_info(stream)).state.messages)


def stored(server: NatsServer) -> list[dict[str, Any]]:
    """Return the configuration of every stream of every account."""
    accounts = server.monitor("jsz?accounts=1&streams=1&config=1")["account_details"]
    return [stream["config"] for account in accounts for stream in account["stream_detail"]]


# ---- who comes in -------------------------------------------------------------------------------------------


async def test_every_certificate_is_who_its_uri_says_in_the_account_of_its_agent(
    nats_server: NatsServer,
) -> None:
    for name in client_certificates():
        async with speaking(nats_server, name) as speaker:
            found = nats_server.monitor("connz?auth=1")["connections"]
            (mine,) = (one for one in found if one["cid"] == speaker.client.client_id)
            guests = {SIDEKICK: RUNTIME_GUARDIAN, EVIDENCE_READER: CAPTURER}
            owner = guests.get(name) or name.removeprefix("provisioner-")

            assert (mine["authorized_user"], mine["account"]) == (spiffe_id(name), owner)


async def test_a_user_name_in_the_greeting_changes_nothing(nats_server: NatsServer) -> None:
    async with speaking(nats_server, LIAISON, user=spiffe_id(RUNTIME_GUARDIAN)) as liar:
        assert await liar.denied(SUBJECT)


@pytest.mark.parametrize("forgery", ["stranger", "another-authority", "server-only"])
async def test_a_certificate_that_is_not_ours_to_map_does_not_come_in(
    nats_server: NatsServer, tmp_path: Path, forgery: str
) -> None:
    (tmp_path / "ca.crt").write_bytes((nats_server.pki / "ca.crt").read_bytes())
    authority = Authority(tmp_path, "evil") if forgery == "another-authority" else nats_server.authority
    uri = spiffe_id("stranger" if forgery == "stranger" else RUNTIME_GUARDIAN)
    usage = SERVER if forgery == "server-only" else CLIENT
    authority.issue(tmp_path, "x", Subject(name="x", uris=(uri,), usages=(usage,)))

    with pytest.raises((NatsError, OSError)):
        await nats.connect(
            nats_server.url, tls=ClientTls(tmp_path, "x").context, allow_reconnect=False, connect_timeout=3
        )


@pytest.mark.parametrize("first", [LIAISON, RUNTIME_GUARDIAN])
async def test_a_certificate_with_two_names_is_only_who_the_first_says(
    nats_server: NatsServer, tmp_path: Path, first: str
) -> None:
    """Our authority issues none; one that were issued by mistake would not be two agents at once."""
    (tmp_path / "ca.crt").write_bytes((nats_server.pki / "ca.crt").read_bytes())
    names = tuple(spiffe_id(name) for name in (first, RUNTIME_GUARDIAN, LIAISON))
    nats_server.authority.issue(tmp_path, "two", Subject(name="two", uris=names))
    client = await nats.connect(
        nats_server.url, tls=ClientTls(tmp_path, "two").context, allow_reconnect=False, connect_timeout=3
    )
    try:
        found = nats_server.monitor("connz?auth=1")["connections"]
        (mine,) = (one for one in found if one["cid"] == client.client_id)
    finally:
        await client.close()

    assert mine["authorized_user"] == spiffe_id(first)


async def test_nobody_comes_in_without_a_certificate_or_without_tls(nats_server: NatsServer) -> None:
    anonymous = ssl.create_default_context(cafile=str(nats_server.pki / "ca.crt"))
    with pytest.raises((NatsError, OSError)):
        await nats.connect(nats_server.url, tls=anonymous, allow_reconnect=False, connect_timeout=3)

    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":true}\r\nPING\r\n')
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()


# ---- what an agent cannot do --------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", [agent for agent in AGENTS if agent != RUNTIME_GUARDIAN])
async def test_no_other_agent_speaks_or_reads_for_the_guardian(nats_server: NatsServer, agent: str) -> None:
    async with speaking(nats_server, agent) as speaker:
        before = await count(nats_server, THREATS)

        for subject in (
            SUBJECT,
            f"firebreak.feed.{RUNTIME_GUARDIAN}.falco",
            f"$KV.state-{RUNTIME_GUARDIAN}.x",
            f"$JS.API.STREAM.MSG.GET.{THREATS}",
            f"$JS.API.CONSUMER.MSG.NEXT.{FEED}.{RUNTIME_GUARDIAN}",
            "falco.notice",
        ):
            assert await speaker.denied(subject), subject
        assert await count(nats_server, THREATS) == before


@pytest.mark.parametrize("agent", [*AGENTS, SIDEKICK])
async def test_nobody_manages_streams_forges_advisories_or_asks_the_system(
    nats_server: NatsServer, agent: str
) -> None:
    async with speaking(nats_server, agent) as speaker:
        for subject in (
            f"$JS.API.STREAM.DELETE.{THREATS}",
            f"$JS.API.STREAM.PURGE.{THREATS}",
            f"$JS.API.STREAM.UPDATE.{THREATS}",
            "$JS.API.STREAM.CREATE.mine",
            f"$JS.API.STREAM.MSG.DELETE.{THREATS}",
            f"$JS.API.STREAM.PURGE.KV_{ROUTING_BUCKET}",
            f"$JS.API.CONSUMER.CREATE.{THREATS}.mine",
            f"$JS.API.CONSUMER.DELETE.{THREATS}.{ORCHESTRATOR}",
            f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{THREATS}.{ORCHESTRATOR}",
            "$SYS.REQ.SERVER.PING",
        ):
            assert await speaker.denied(subject), subject


@pytest.mark.parametrize("agent", [*AGENTS, SIDEKICK])
async def test_nobody_listens_to_more_than_its_own(nats_server: NatsServer, agent: str) -> None:
    async with speaking(nats_server, agent) as speaker:
        other = ORCHESTRATOR if agent != ORCHESTRATOR else LIAISON
        for subject in (">", "firebreak.>", "$KV.>", "_INBOX.>", f"_INBOX.{other}.>"):
            assert await speaker.deaf(subject), subject


async def test_the_guardian_neither_reads_nor_acknowledges_as_the_orchestrator(
    nats_server: NatsServer,
) -> None:
    async with speaking(nats_server, RUNTIME_GUARDIAN) as guardian:
        for subject in (
            f"$JS.API.CONSUMER.MSG.NEXT.{THREATS}.{ORCHESTRATOR}",
            f"$JS.ACK.{THREATS}.{ORCHESTRATOR}.1.1.1.1.0",
            f"{threats_api(RUNTIME_GUARDIAN)}.CONSUMER.MSG.NEXT.{THREATS}.{ORCHESTRATOR}",
            f"$KV.{ROUTING_BUCKET}.x",
        ):
            assert await guardian.denied(subject), subject


async def test_the_orchestrator_asks_the_guardians_account_for_nothing_but_its_own_consumer(
    nats_server: NatsServer,
) -> None:
    prefix = threats_api(RUNTIME_GUARDIAN)
    async with speaking(nats_server, ORCHESTRATOR) as orchestrator:
        for subject in (
            f"{prefix}.STREAM.INFO.{THREATS}",
            f"{prefix}.STREAM.PURGE.{THREATS}",
            f"{prefix}.CONSUMER.MSG.NEXT.{FEED}.{RUNTIME_GUARDIAN}",
            f"{prefix}.CONSUMER.DELETE.{THREATS}.{ORCHESTRATOR}",
            f"$JS.ACK.{FEED}.{RUNTIME_GUARDIAN}.1.1.1.1.0",
        ):
            assert await orchestrator.denied(subject), subject


async def test_falcosidekick_publishes_alerts_and_nothing_else(nats_server: NatsServer) -> None:
    async with speaking(nats_server, SIDEKICK) as sidekick:
        assert not await sidekick.denied("falco.notice.terminal_shell")
        for subject in (SUBJECT, f"firebreak.feed.{RUNTIME_GUARDIAN}.falco", "falco", "$JS.API.INFO"):
            assert await sidekick.denied(subject), subject
        assert await sidekick.deaf("falco.>")
        assert await sidekick.deaf(f"_INBOX.{SIDEKICK}.>")


async def test_no_stream_stores_what_falcosidekick_sent(nats_server: NatsServer) -> None:
    subjects = [subject for config in stored(nats_server) for subject in config["subjects"]]

    assert subjects
    ours = ("firebreak.", "$KV.", "$O.", *GIVEN_UP)
    assert [subject for subject in subjects if not subject.startswith(ours)] == []


# ---- attacks that permissions alone do not stop -------------------------------------------------------------


async def test_a_reply_subject_carries_no_message_into_anothers_stream(nats_server: NatsServer) -> None:
    """The server publishes its acknowledgement on whatever reply subject the sender names."""
    dead_before = await count(nats_server, dead_stream(ORCHESTRATOR), ORCHESTRATOR)
    threats_before = await count(nats_server, THREATS)
    async with speaking(nats_server, RUNTIME_GUARDIAN) as guardian:
        await guardian.client.publish(SUBJECT, b"1", reply=f"firebreak.dead.{ORCHESTRATOR}.x")
        await guardian.client.flush()
    async with speaking(nats_server, ORCHESTRATOR) as orchestrator:
        await orchestrator.client.publish(f"firebreak.dead.{ORCHESTRATOR}.x", b"1", reply=SUBJECT)
        await orchestrator.client.publish(f"$KV.{ROUTING_BUCKET}.x", b"1", reply=SUBJECT)
        await orchestrator.client.publish(
            f"{threats_api(RUNTIME_GUARDIAN)}.CONSUMER.INFO.{THREATS}.{ORCHESTRATOR}", b"", reply=SUBJECT
        )
        await orchestrator.client.flush()
    async with speaking(nats_server, SIDEKICK) as sidekick:
        await sidekick.client.publish("falco.x", b"1", reply=SUBJECT)
        await sidekick.client.flush()
    await asyncio.sleep(0.3)

    assert await count(nats_server, THREATS) == threats_before + 1
    assert await count(nats_server, dead_stream(ORCHESTRATOR), ORCHESTRATOR) == dead_before + 1


async def test_nobody_burns_the_guardians_message_ids(nats_server: NatsServer) -> None:
    headers = {"Nats-Msg-Id": "burnt:1"}
    async with (
        speaking(nats_server, ORCHESTRATOR) as orchestrator,
        speaking(nats_server, RUNTIME_GUARDIAN) as guardian,
    ):
        await orchestrator.js.publish(f"firebreak.dead.{ORCHESTRATOR}.x", b"", headers=headers)
        answer = await guardian.js.publish(SUBJECT, b"real", headers=headers)

    assert not answer.duplicate


@pytest.mark.parametrize("scope", ["all", "sub"])
async def test_no_rollup_header_wipes_a_bucket_or_a_stream(nats_server: NatsServer, scope: str) -> None:
    async with speaking(nats_server, ORCHESTRATOR) as orchestrator:
        await orchestrator.js.publish(f"$KV.{ROUTING_BUCKET}.keep", b"1")
        before = await count(nats_server, f"KV_{ROUTING_BUCKET}", ORCHESTRATOR)
        with pytest.raises(APIError, match="rollup"):
            await orchestrator.js.publish(
                f"$KV.{ROUTING_BUCKET}.other", b"wipe", headers={"Nats-Rollup": scope}
            )
    async with speaking(nats_server, RUNTIME_GUARDIAN) as guardian:
        with pytest.raises(APIError, match="rollup"):
            await guardian.js.publish(SUBJECT, b"wipe", headers={"Nats-Rollup": scope})

    assert await count(nats_server, f"KV_{ROUTING_BUCKET}", ORCHESTRATOR) == before


async def test_what_stands_is_taken_out_by_nobody_not_even_by_the_installer(nats_server: NatsServer) -> None:
    async with speaking(nats_server, INSTALLER) as installer:
        for verb in ("DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT"):
            assert await installer.denied(f"$JS.API.STREAM.{verb}.{THREATS}")
        assert await installer.denied(f"$JS.API.CONSUMER.DELETE.{THREATS}.{ORCHESTRATOR}")
        assert await installer.denied(SUBJECT)
        for stream in (THREATS, DEAD):
            config = (await installer.js.stream_info(stream)).config
            assert (config.deny_delete, config.deny_purge) == (True, True)
            config.deny_delete = config.deny_purge = False
            with pytest.raises(APIError, match="can not cancel"):
                await installer.js.update_stream(config)


# ---- what is installed --------------------------------------------------------------------------------------


async def test_what_is_full_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with speaking(server, INSTALLER) as installer, speaking(server, RUNTIME_GUARDIAN) as guardian:
            config = (await installer.js.stream_info(THREATS)).config
            config.max_msgs = 2
            await installer.js.update_stream(config)
            for number in range(2):
                await guardian.js.publish(SUBJECT, str(number).encode())
            with pytest.raises(APIError, match="maximum messages exceeded"):
                await guardian.js.publish(SUBJECT, b"one too many")
            first = await guardian.js.get_msg(THREATS, seq=1)

    assert first.data == b"0"


async def test_provisioning_again_keeps_what_is_stored_and_brings_an_old_store_up_to_date(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with speaking(server, RUNTIME_GUARDIAN) as guardian, speaking(server, INSTALLER) as installer:
            await guardian.js.publish(SUBJECT, b"kept")
            old = (await installer.js.stream_info(THREATS)).config
            await installer.js.update_stream(old.evolve(max_bytes=1 << 20, duplicate_window=1.0))
        server.kill()
        server.start()
        await provision(server.url, server.pki)
        await provision(server.url, server.pki)
        async with speaking(server, RUNTIME_GUARDIAN) as guardian, speaking(server, INSTALLER) as installer:
            new = (await installer.js.stream_info(THREATS)).config
            kept = await guardian.js.get_msg(THREATS, seq=1)

    assert (new.max_bytes, new.duplicate_window) == (1 << 30, 600.0)
    assert kept.data == b"kept"


async def test_everything_is_on_disk_and_synced_before_it_is_acknowledged(nats_server: NatsServer) -> None:
    configuration = json.loads(nats_server.configuration.read_text())
    storage = [config["storage"] for config in stored(nats_server)]

    assert configuration["jetstream"]["sync_interval"] == "always"
    assert len(storage) == sum(len(one.streams) + len(one.buckets) for one in on_the_bus())
    assert set(storage) == {api.StorageType.FILE}
    assert nats_server.monitor("varz")["max_payload"] == MAX_PAYLOAD >= 1 << 20


def test_the_configuration_allows_by_name_only(tmp_path: Path) -> None:
    configuration = json.loads(render(port=1, store_dir=tmp_path, pki_dir=tmp_path))

    assert "http" not in configuration
    assert set(configuration["accounts"]) == {*AGENTS, OPERATOR}
    for account in configuration["accounts"].values():
        assert all(one["accounts"] for one in account["exports"])
        for user in account["users"]:
            for rights in user["permissions"].values():
                assert rights == {"deny": [">"]} or not {">", "$JS.>", "$JS.API.>"} & set(rights["allow"])
    exported = {
        (one["service"], account)
        for one in configuration["accounts"][REMEDIATION_EXECUTOR]["exports"]
        for account in one["accounts"]
    }
    assert exported == {
        (f"$JS.API.STREAM.{verb}.{audit_stream(REMEDIATION_EXECUTOR)}", account)
        for verb in ("INFO", "MSG.GET")
        for account in (LIAISON, OPERATOR)
    }
