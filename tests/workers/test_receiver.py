"""The door for alerts: who may enter, what is taken, and what everybody else is told. On a real NATS."""

import asyncio
import gzip
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from activities.adapters.memory import MemoryCluster
from deploy.nats import provision
from signals.errors import SettingsInvalid
from signals.subjects import RUNTIME_GUARDIAN, dead_stream, feed_stream
from signals.telemetry.falco import Alert
from tests.nats_server import NatsServer, connected, nats_server, serving
from tests.workers.guardian import SENDER, TOKEN, Guardian, alert, settings_for
from workers import feed
from workers.bus import REASON, Bus
from workers.doors import falco_door
from workers.intake import Intake
from workers.receiver import Receiver
from workers.senders import Senders
from workers.settings import Settings
from workers.sources import ALERTS
from workers.stack.pki import SERVER, Authority, Subject

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

FEED = feed_stream(RUNTIME_GUARDIAN)
DEAD = dead_stream(RUNTIME_GUARDIAN)


@asynccontextmanager
async def receiving(server: NatsServer, folder: Path, **given: object) -> AsyncIterator[Guardian]:
    """Run the receiver alone: what it stores stays in the feed."""
    settings = settings_for(server, folder, **given)
    async with (
        connected(server, RUNTIME_GUARDIAN) as bus,
        Receiver(falco_door(settings), Intake(bus, ALERTS)),
    ):
        yield Guardian(settings, MemoryCluster(), bus)


async def stored(bus: Bus) -> tuple[feed.Record[Alert], ...]:
    """Return the last records of the feed."""
    last = await bus.last(FEED)
    assert last is not None
    return ALERTS.decode(last.data)


async def sequence(bus: Bus, stream: str) -> int:
    last = await bus.last(stream)
    return last.sequence if last else 0


@pytest.mark.parametrize("path", ["/", "/falco"])
async def test_an_alert_is_in_the_feed_when_its_sender_hears_yes(
    nats_server: NatsServer, tmp_path: Path, path: str
) -> None:
    async with receiving(nats_server, tmp_path) as door:
        sent = alert()
        assert await door.post(sent, path) == (200, {"accepted": 1})
        (record,) = await stored(door.bus)
    assert record.sender == SENDER
    assert record.alert.rule == sent["rule"]
    assert record.alert.sha256 == sha256(json.dumps(sent).encode()).hexdigest()


async def test_an_array_is_one_message(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        before = await sequence(door.bus, FEED)
        assert await door.post([alert(), alert(), alert()]) == (200, {"accepted": 3})
        assert await sequence(door.bus, FEED) == before + 1
        assert len(await stored(door.bus)) == 3
        assert await door.post([]) == (200, {"accepted": 0})
        assert await sequence(door.bus, FEED) == before + 1


async def test_what_comes_at_once_is_stored_together(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        before = await sequence(door.bus, FEED)
        answers = await asyncio.gather(*(door.post(alert()) for _ in range(50)))
        assert answers == [(200, {"accepted": 1})] * 50
        assert before < await sequence(door.bus, FEED) < before + 50


async def test_an_array_may_fill_the_body(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        body = b"[" + b",".join([b'{"rule":"R"}'] * 80_000) + b"]"
        before = await sequence(door.bus, FEED)
        assert await door.post(body) == (200, {"accepted": 80_000})
        assert await sequence(door.bus, FEED) > before + 1


async def test_the_trace_of_the_request_goes_along(nats_server: NatsServer, tmp_path: Path) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with receiving(nats_server, tmp_path) as door:
        await door.post(alert(), headers={"Traceparent": parent})
        (record,) = await stored(door.bus)
    assert record.trace == {"traceparent": parent}


async def test_secrets_are_gone_before_anything_is_stored(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        await door.post(
            alert(fields={"proc.cmdline": "mysql -phunter2-4711 shop", "proc.env[X_TOKEN]": "hunter2-4711"})
        )
        await door.post(b'{"rule": 7, "output": "mysql -phunter2-4711 shop", "password": "hunter2-4711"}')
        assert (await stored(door.bus))[0].alert.text("proc.cmdline") == "mysql -p[redacted:argument] shop"
    await asyncio.sleep(0.1)
    found = [path for path in (nats_server.folder / "store").rglob("*") if path.is_file()]
    assert found
    assert not [path for path in found if b"hunter2-4711" in path.read_bytes()]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Token {TOKEN}",
        "Basic !!!",
        "Basic eA==",
        f"bearer {TOKEN}x",
    ],
)
async def test_who_is_not_known_stays_out(
    nats_server: NatsServer, tmp_path: Path, authorization: str
) -> None:
    async with receiving(nats_server, tmp_path) as door:
        before = await sequence(door.bus, FEED)
        status, body = await door.post(alert(), headers={"Authorization": authorization})
        assert status == 401
        assert "Authorization: Bearer" in body["error"]
        assert await sequence(door.bus, FEED) == before


async def test_falcos_own_output_may_send_the_token_as_a_password(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    basic = b64encode(f"falco:{TOKEN}".encode()).decode()
    async with receiving(nats_server, tmp_path) as door:
        assert (await door.post(alert(), headers={"Authorization": f"Basic {basic}"}))[0] == 200


async def test_without_tokens_nobody_may_send(nats_server: NatsServer, tmp_path: Path) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        settings = settings_for(nats_server, tmp_path).model_copy(update={"falco_tokens_file": None})
        async with Receiver(falco_door(settings), Intake(bus, ALERTS)):
            door = Guardian(settings, MemoryCluster(), bus)
            assert (await door.post(alert()))[0] == 401
            assert (await door.post(alert(), headers={"Authorization": "Bearer "}))[0] == 401


async def test_what_is_no_alert_is_buried_with_the_reason(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        status, body = await door.post(b"certainly not JSON")
        last = await door.bus.last(DEAD)
    assert status == 400
    assert body["accepted"] == 0
    assert "not JSON" in body["rejected"][0]["reason"]
    assert last is not None
    assert last.data == b"certainly not JSON"
    assert "not JSON" in last.headers[REASON]
    assert last.headers["Firebreak-Sha256"] == sha256(b"certainly not JSON").hexdigest()


async def test_the_good_items_of_a_bad_array_are_taken_and_the_sender_is_told(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with receiving(nats_server, tmp_path) as door:
        status, body = await door.post([alert(), {"no": "rule"}, alert(), 7])
        assert status == 400
        assert body["accepted"] == 2
        assert [one["index"] for one in body["rejected"]] == [1, 3]
        assert len(await stored(door.bus)) == 2
        last = await door.bus.last(DEAD)
    assert last is not None
    assert last.data == b"7"


async def test_a_huge_thing_that_is_no_alert_is_buried_in_part(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    body = b'{"x": "' + b"word " * 100_000 + b'"'
    async with receiving(nats_server, tmp_path) as door:
        assert (await door.post(body))[0] == 400
        last = await door.bus.last(DEAD)
    assert last is not None
    assert 0 < len(last.data) <= 64 * 1024
    assert last.headers["Firebreak-Sha256"] == sha256(body).hexdigest()


async def test_a_body_that_is_too_large_is_refused(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path, max_alert_bytes=2048) as door:
        status, body = await door.post(b" " * 3000)
        assert status == 413
        assert "2048 bytes" in body["error"]

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b" " * 100

        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.post(f"{door.url}/", data=chunks(), headers=headers) as answer:
                assert answer.status == 413
        assert (await door.post(gzip.compress(b" " * 100_000), headers={"Content-Encoding": "gzip"}))[
            0
        ] == 413


async def test_a_compressed_body_is_read(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        body = gzip.compress(json.dumps(alert()).encode())
        assert (await door.post(body, headers={"Content-Encoding": "gzip"}))[0] == 200


async def test_more_at_once_than_can_be_held_is_told_to_wait(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path, max_backlog=1) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.settings.falco_port)
        try:
            head = (
                f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 12\r\n\r\n"
            )
            writer.write(head.encode())
            await writer.drain()
            await asyncio.sleep(0.1)
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with session.post(f"{door.url}/", json=alert(), headers=headers) as answer:
                    assert answer.status == 429
                    assert answer.headers["Retry-After"] == "1"
            writer.write(b'{"rule":"R"}')
            await writer.drain()
            assert b"200" in await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()
        assert (await door.post(alert()))[0] == 200


async def test_while_nats_is_away_the_sender_is_told_to_come_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with receiving(server, tmp_path) as door:
            server.kill()
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with session.post(f"{door.url}/", json=alert(), headers=headers) as answer:
                    assert answer.status == 503
                    assert answer.headers["Retry-After"] == "1"
            server.start()
            assert (await door.post(alert()))[0] == 200


async def test_health_is_told_to_anybody(nats_server: NatsServer, tmp_path: Path) -> None:
    async with (
        receiving(nats_server, tmp_path) as door,
        aiohttp.ClientSession() as session,
        session.get(f"{door.url}/healthz") as answer,
    ):
        assert answer.status == 200
        assert await answer.json() == {"status": "ok"}


async def test_tls_is_spoken_where_there_is_a_certificate(nats_server: NatsServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue(tmp_path, "falco", Subject(name="falco", addresses=("127.0.0.1",), usages=(SERVER,)))
    async with receiving(
        nats_server, tmp_path, falco_cert_file=tmp_path / "falco.crt", falco_key_file=tmp_path / "falco.key"
    ) as door:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        async with aiohttp.ClientSession() as session:
            url = door.url.replace("http:", "https:")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.post(f"{url}/falco", json=alert(), headers=headers, ssl=context) as answer:
                assert answer.status == 200


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"falco_host": "0.0.0.0"}, "FALCO_CERT_FILE"),
        ({"falco_cert_file": Path("/no/such.crt")}, "FALCO_CERT_FILE"),
        ({"falco_tokens_file": Path("/no/such.json")}, "FALCO_TOKENS_FILE"),
    ],
)
async def test_settings_that_cannot_work_are_named(
    nats_server: NatsServer, tmp_path: Path, given: dict[str, object], reason: str
) -> None:
    settings = settings_for(nats_server, tmp_path).model_copy(update=given)
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        with pytest.raises(SettingsInvalid, match=reason):
            Receiver(falco_door(settings), Intake(bus, ALERTS))


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}', '{"a": ""}'])
def test_a_file_of_tokens_that_holds_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(SettingsInvalid, match="FALCO_TOKENS_FILE"):
        Senders.read(path, "FIREBREAK_FALCO")


async def test_a_port_that_is_taken_is_named(nats_server: NatsServer, tmp_path: Path) -> None:
    async with receiving(nats_server, tmp_path) as door:
        taken = Settings.model_validate(door.settings.model_dump())
        with pytest.raises(SettingsInvalid, match="FALCO_PORT"):
            async with Receiver(falco_door(taken), Intake(door.bus, ALERTS)):
                raise AssertionError("it listens")


async def test_new_tokens_count_at_once_and_old_ones_no_longer(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with receiving(nats_server, tmp_path) as door:
        assert (await door.post(alert()))[0] == 200
        (tmp_path / "tokens.json").write_text(json.dumps({SENDER: "another-one"}))
        assert (await door.post(alert()))[0] == 401
        door.token = "another-one"
        assert (await door.post(alert()))[0] == 200
        (tmp_path / "tokens.json").write_text("torn")
        assert (await door.post(alert()))[0] == 200


async def test_a_new_certificate_is_shown_without_a_restart(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.receiver.RENEW_SECONDS", 0.05)
    authority = Authority(tmp_path, "ca")
    subject = Subject(name="receiver", addresses=("127.0.0.1",), usages=(SERVER,))
    authority.issue(tmp_path, "server", subject)
    given = {"falco_cert_file": tmp_path / "server.crt", "falco_key_file": tmp_path / "server.key"}
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))

    async def shown(port: int) -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        found = writer.get_extra_info("ssl_object").getpeercert()
        writer.close()
        return str(found["serialNumber"])

    async with receiving(nats_server, tmp_path, **given) as door:
        port = door.settings.falco_port
        before = await shown(port)
        authority.issue(tmp_path, "server", subject)
        for _ in range(100):
            if await shown(port) != before:
                break
            await asyncio.sleep(0.05)

        assert await shown(port) != before
