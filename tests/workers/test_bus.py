"""The bus against a real NATS: durable appends, consuming across accounts, restarts and buckets."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from activities.adapters.nats import ACK_WAIT_SECONDS
from deploy.nats import MAX_PAYLOAD, provision
from signals.errors import BadInput, Conflict, SettingsInvalid, Unavailable
from signals.subjects import (
    LIAISON,
    ORCHESTRATOR,
    RECEIPTS_BUCKET,
    REMEDIATION_EXECUTOR,
    ROUTING_BUCKET,
    RUNTIME_GUARDIAN,
    dead_stream,
    dead_subject,
    feed_stream,
    feed_subject,
    spiffe_id,
    state_bucket,
    threat_subject,
    threats_stream,
)
from tests.nats_server import NatsServer, connected, nats_server, serving
from workers.bus import REASON, Bus
from workers.delivery import Message
from workers.settings import Settings

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

THREATS = threats_stream(RUNTIME_GUARDIAN)
FEED = feed_stream(RUNTIME_GUARDIAN)
SUBJECT = threat_subject(RUNTIME_GUARDIAN, "shell")


async def take(bus: Bus, payloads: set[bytes], *, ack: bool = True, within: float = 10) -> list[Message]:
    """Consume the guardian's threats until all of these have come; everything else is acknowledged."""
    found: list[Message] = []
    async with (
        asyncio.timeout(within),
        aclosing(bus.consume(THREATS, ORCHESTRATOR, owner=RUNTIME_GUARDIAN)) as batches,
    ):
        async for batch in batches:
            for message in batch:
                if message.data in payloads:
                    found.append(message)
                if ack or message.data not in payloads:
                    await message.ack()
            if payloads <= {message.data for message in found}:
                return found
    raise AssertionError("the stream ended")


def unique() -> bytes:
    return uuid.uuid4().hex.encode()


async def test_what_one_agent_appends_the_orchestrator_consumes_from_the_others_account(
    nats_server: NatsServer,
) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, ORCHESTRATOR) as reader,
    ):
        payload = unique()
        sequence = await guardian.append(SUBJECT, payload, headers={"traceparent": "00-1-2-03"})

        (message,) = await take(reader, {payload})

    assert (message.subject, message.sequence, message.deliveries) == (SUBJECT, sequence, 1)
    assert message.headers["traceparent"] == "00-1-2-03"
    assert message.accepted_at.tzinfo is not None


async def test_the_same_message_id_is_stored_once(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        first = await guardian.store(SUBJECT, b"x", msg_id="once:1")
        second = await guardian.store(SUBJECT, b"x", msg_id="once:1")

    assert not first.duplicate
    assert second.duplicate
    assert second.sequence == first.sequence


async def test_a_message_that_is_refused_comes_again_and_counts_its_deliveries(
    nats_server: NatsServer,
) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, ORCHESTRATOR) as reader,
    ):
        payload = unique()
        await guardian.append(SUBJECT, payload)
        (message,) = await take(reader, {payload}, ack=False)
        await message.nak(delay=0.1)

        (again,) = await take(reader, {payload})

    assert again.deliveries == 2
    assert again.sequence == message.sequence


async def test_a_message_in_hand_is_not_given_to_another_however_long_it_takes(
    nats_server: NatsServer,
) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        payload = unique()
        await guardian.append(feed_subject(RUNTIME_GUARDIAN, "falco"), payload)
        async with aclosing(guardian.consume(FEED, RUNTIME_GUARDIAN)) as batches:
            async for batch in batches:
                if [message.data for message in batch] == [payload]:
                    await asyncio.sleep(ACK_WAIT_SECONDS + 1)
                    await batch[0].ack()
                    break
        seen = []
        async with aclosing(guardian.consume(FEED, RUNTIME_GUARDIAN, wait_seconds=0.3)) as batches:
            async for batch in batches:
                seen += batch
                if not batch:
                    break

    assert seen == []


async def test_what_a_dead_process_had_in_hand_comes_to_another_in_seconds(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        payload = unique()
        await guardian.append(SUBJECT, payload)
        async with connected(nats_server, ORCHESTRATOR) as dying:
            await take(dying, {payload}, ack=False)
        async with connected(nats_server, ORCHESTRATOR) as heir:
            (message,) = await take(heir, {payload}, within=ACK_WAIT_SECONDS + 2)

    assert message.deliveries == 2


async def test_an_idle_consumer_is_told_that_nothing_came(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        asyncio.timeout(3),
        aclosing(guardian.consume(FEED, RUNTIME_GUARDIAN, wait_seconds=0.2)) as batches,
    ):
        async for batch in batches:
            if not batch:
                return
            for message in batch:
                await message.ack()
    raise AssertionError("it goes on for ever")


async def test_consuming_and_appending_go_on_after_nats_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, RUNTIME_GUARDIAN) as guardian, connected(server, ORCHESTRATOR) as reader:
            before, after = unique(), unique()
            await guardian.append(SUBJECT, before)
            reading = asyncio.create_task(take(reader, {before, after}, within=20))
            await asyncio.sleep(0.2)
            server.kill()
            server.start()
            await guardian.append(SUBJECT, after)

            messages = await reading

    assert {message.data for message in messages} == {before, after}


async def test_a_lost_connection_comes_back_with_the_certificate_that_is_there_then(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        async with connected(server, ORCHESTRATOR) as bus:
            for suffix in ("crt", "key"):
                other = (server.pki / f"{LIAISON}.{suffix}").read_bytes()
                (server.pki / f"{ORCHESTRATOR}.{suffix}").write_bytes(other)
            server.kill()
            server.start()
            for _ in range(200):
                if bus._client.is_connected and bus._client.stats["reconnects"]:
                    break
                await asyncio.sleep(0.05)
            (connection,) = server.monitor("connz?auth=1")["connections"]

    assert connection["authorized_user"] == spiffe_id(LIAISON)


async def test_many_pulls_leave_nothing_behind_in_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, ORCHESTRATOR) as reader:
            stream = reader.consume(THREATS, ORCHESTRATOR, owner=RUNTIME_GUARDIAN, wait_seconds=0.005)
            async with aclosing(stream) as batches:
                count = 0
                async for _ in batches:
                    count += 1
                    if count == 600:
                        break
                account = server.monitor(f"accountz?acc={RUNTIME_GUARDIAN}")["account_detail"]

    assert len(account.get("responses") or {}) <= 256


async def test_an_append_that_is_denied_says_which_permission_was_missing(nats_server: NatsServer) -> None:
    async with connected(nats_server, ORCHESTRATOR) as orchestrator:
        with capture_logs() as logs, pytest.raises(Unavailable, match="permissions violation for publish"):
            await orchestrator.append(SUBJECT, b"spoof")

    assert [record["log_level"] for record in logs] == ["error"]


async def test_an_append_without_a_server_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, RUNTIME_GUARDIAN) as guardian:
            monkeypatch.setattr("workers.bus.APPEND_SECONDS", 0.1)
            server.kill()
            with pytest.raises(Unavailable, match="appending to"):
                await guardian.append(SUBJECT, b"x")


async def test_a_message_that_is_too_large_is_refused_at_once(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        await guardian.append(dead_subject(RUNTIME_GUARDIAN, "big"), b"x" * (MAX_PAYLOAD - 1000))
        with pytest.raises(BadInput):
            await guardian.append(SUBJECT, b"x" * (MAX_PAYLOAD + 1))
        assert await guardian.append(SUBJECT, b"still here")


async def test_a_dead_letter_keeps_the_payload_and_says_why(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        await guardian.bury("falco", b"\x00garbage", "not JSON:\r\nline 1, » and so on")
        dead = await guardian.last(dead_stream(RUNTIME_GUARDIAN))

    assert dead is not None
    assert dead.data == b"\x00garbage"
    assert dead.headers[REASON] == "not JSON: line 1, \\xbb and so on"
    assert dead.subject == f"firebreak.dead.{RUNTIME_GUARDIAN}.falco"


async def test_headers_that_command_the_server_do_not_keep_a_message_from_being_buried(
    nats_server: NatsServer,
) -> None:
    headers = {"Nats-Expected-Stream": THREATS, "nats-rollup": "all", "Nats-Msg-Id": "1", "traceparent": "00"}
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        await guardian.bury("headers", b"x", "why", headers)
        dead = await guardian.last(dead_stream(RUNTIME_GUARDIAN))

    assert dead is not None
    assert {name: dead.headers[name] for name in dead.headers if name != "Nats-Msg-Id"} == {
        "traceparent": "00",
        REASON: "why",
    }


async def test_what_was_terminated_never_comes_again(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, ORCHESTRATOR) as reader,
    ):
        poison, after = unique(), unique()
        await guardian.append(SUBJECT, poison)
        (message,) = await take(reader, {poison}, ack=False)
        await message.term()
        await asyncio.sleep(ACK_WAIT_SECONDS + 0.5)
        await guardian.append(SUBJECT, after)
        seen = [message.data for message in await take(reader, {after})]

    assert seen == [after]


async def test_a_feed_holds_only_what_is_not_done_yet(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        payload = unique()
        await guardian.append(feed_subject(RUNTIME_GUARDIAN, "falco"), payload)
        assert (await guardian.last(FEED)) is not None
        async with asyncio.timeout(5), aclosing(guardian.consume(FEED, RUNTIME_GUARDIAN)) as batches:
            async for batch in batches:
                for message in batch:
                    await message.ack()
                if not batch:
                    break

        assert await guardian.last(FEED) is None


async def test_a_stream_is_read_back_newest_first(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        payloads = [unique() for _ in range(3)]
        for payload in payloads:
            await guardian.append(SUBJECT, payload)
        read = []
        async with aclosing(guardian.newest(THREATS)) as newest:
            async for stored in newest:
                read.append(stored.data)
                if len(read) == 3:
                    break

    assert read == payloads[::-1]


async def test_the_last_message_of_an_empty_stream_is_none(nats_server: NatsServer) -> None:
    async with connected(nats_server, ORCHESTRATOR) as orchestrator:
        assert await orchestrator.last(dead_stream(ORCHESTRATOR)) is None


async def test_what_is_published_without_being_stored_reaches_one_of_the_replicas(
    nats_server: NatsServer,
) -> None:
    got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def receive(subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        got.put_nowait((subject, payload))

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as one,
        connected(nats_server, RUNTIME_GUARDIAN) as two,
        connected(nats_server, "falcosidekick") as sidekick,
    ):
        for replica in (one, two):
            await replica.subscribe("falco.>", "guardian", receive)
            await replica._client.flush()
        await sidekick._client.publish("falco.notice.shell", b"{}")
        await sidekick._client.flush()
        async with asyncio.timeout(5):
            first = await got.get()
        await asyncio.sleep(0.2)

    assert first == ("falco.notice.shell", b"{}")
    assert got.empty()


async def test_a_bucket_creates_once_and_updates_only_the_last_revision(nats_server: NatsServer) -> None:
    async with connected(nats_server, ORCHESTRATOR) as orchestrator:
        bucket = orchestrator.kv(ROUTING_BUCKET)
        key = f"pod/{uuid.uuid4()}"
        assert await bucket.get(key) is None
        first = await bucket.create(key, b"a")
        with pytest.raises(Conflict):
            await bucket.create(key, b"b")
        second = await bucket.update(key, b"c", first)
        with pytest.raises(Conflict):
            await bucket.update(key, b"d", first)
        entry = await bucket.get(key)

    assert entry is not None
    assert (entry.value, entry.revision) == (b"c", second)


async def test_a_deleted_key_is_gone_and_can_be_created_again(nats_server: NatsServer) -> None:
    async with connected(nats_server, REMEDIATION_EXECUTOR) as executor:
        bucket = executor.kv(RECEIPTS_BUCKET)
        await bucket.delete("never there")
        revision = await bucket.create("k", b"1")
        await bucket.delete("k")
        assert await bucket.get("k") is None
        assert "k" not in await bucket.keys()
        with pytest.raises(Conflict):
            await bucket.update("k", b"2", revision)
        await bucket.create("k", b"3")
        entry = await bucket.get("k")

    assert entry is not None
    assert entry.value == b"3"


async def test_keys_may_hold_any_text(nats_server: NatsServer) -> None:
    keys = {"a.b", "..", "*", ">", "a b\n", "ns/Pod/café", "=2E", "\udc80", "%41", "x" * 300}
    async with connected(nats_server, REMEDIATION_EXECUTOR) as executor:
        bucket = executor.kv(state_bucket(REMEDIATION_EXECUTOR))
        for key in keys:
            await bucket.create(key, key.encode("utf-8", "surrogatepass"))
        values = {key: await bucket.get(key) for key in keys}

        assert set(await bucket.keys()) == keys
        assert {key: entry.value for key, entry in values.items() if entry} == {
            key: key.encode("utf-8", "surrogatepass") for key in keys
        }


async def test_an_empty_key_is_bad_input(nats_server: NatsServer) -> None:
    async with connected(nats_server, ORCHESTRATOR) as orchestrator:
        with pytest.raises(BadInput):
            await orchestrator.kv(ROUTING_BUCKET).create("", b"x")


async def test_more_keys_than_fit_one_answer_are_all_listed(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        bucket = guardian.kv(state_bucket(RUNTIME_GUARDIAN))
        wanted = {f"key-{number}" for number in range(600)}
        await asyncio.gather(*(bucket.create(key, b"x" * 2000) for key in wanted))

        assert set(await bucket.keys()) == wanted


async def test_a_missing_certificate_folder_is_a_setting_to_correct(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="FIREBREAK_NATS_DIR"):
        await Bus.connect(Settings(nats_dir=tmp_path), ORCHESTRATOR)
    with pytest.raises(SettingsInvalid, match="FIREBREAK_NATS_DIR"):
        await Bus.connect(Settings(), ORCHESTRATOR)
