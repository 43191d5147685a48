"""The audit record on a real NATS: what is appended, and an attacker who has all of NATS."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from deploy.bus import provisioner
from deploy.nats import _STREAM_BYTES, provision
from signals.audit import Anchor, Kind, Link, Verdict, entries
from signals.audit_proof import verify
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.errors import BadInput
from signals.subjects import (
    AGENTS,
    LIAISON,
    OPERATOR,
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    audit_stream,
    audit_subject,
)
from tests.nats_server import NatsServer, connected, nats_server, serving
from workers import audit_file
from workers.agent import Context
from workers.anchoring import Anchoring
from workers.audit import Audit
from workers.bus import Bus
from workers.settings import Settings

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

CLUSTER = ClusterRef(name="test", uid="c-1")
KEYS = {agent: Ed25519PrivateKey.generate() for agent in AGENTS}
TRUST = Trust({agent: key.public_key() for agent, key in KEYS.items()})


@asynccontextmanager
async def auditing(server: NatsServer, agent: str, instance: str = "0") -> AsyncIterator[Audit]:
    async with connected(server, agent) as bus:
        audit = Audit(bus, Signer(agent, KEYS[agent]), CLUSTER, instance)
        yield audit
        await audit.finish()


async def read(server: NatsServer) -> list[Link]:
    """Read the whole record as the operator does."""
    async with connected(server, OPERATOR) as bus:
        return [link async for link in audit_file.links(bus)]


def judged(links: list[Link], anchors: tuple[Anchor, ...] = ()) -> Verdict:
    return verify(links, TRUST, datetime.now(UTC), anchors)


@asynccontextmanager
async def anchoring(server: NatsServer, file: Path) -> AsyncIterator[Anchoring]:
    async with connected(server, LIAISON) as bus:
        signer = Signer(LIAISON, KEYS[LIAISON])
        given: Any = SimpleNamespace(
            bus=bus,
            signer=signer,
            trust=TRUST,
            cluster=SimpleNamespace(ref=CLUSTER),
            settings=Settings(anchors_file=file),
            audit=Audit(bus, signer, CLUSTER, "0"),
        )
        yield Anchoring(cast("Context", given))


async def test_what_is_appended_at_once_is_few_messages_and_one_chain(nats_server: NatsServer) -> None:
    async with auditing(nats_server, REMEDIATION_EXECUTOR, "many") as audit:
        await asyncio.gather(*(audit.append(Kind.APPLIED, {"n": n}, f"many-{n}") for n in range(100)))
        await audit.append(Kind.APPLIED, {"n": 0}, "many-0")
    links = [link for link in await read(nats_server) if link.envelope().instance == "many"]

    told = [entry.id for link in links for entry in entries(link.envelope())]
    assert sorted(told) == sorted(f"many-{n}" for n in range(100))
    assert len(links) < 10
    assert judged(await read(nats_server)).findings == ()


async def test_a_restarted_agent_goes_on_with_its_chain(nats_server: NatsServer) -> None:
    for told in ("one", "two"):
        async with auditing(nats_server, ORCHESTRATOR, "restarted") as audit:
            audit.later(Kind.DECISION, {"told": told})
    verdict = judged(await read(nats_server))

    assert verdict.findings == ()
    (head,) = (head for head in verdict.heads if head.instance == "restarted")
    assert head.seq == 2


async def test_text_that_no_encoding_takes_does_not_keep_an_entry_out(nats_server: NatsServer) -> None:
    async with auditing(nats_server, ORCHESTRATOR, "odd") as audit:
        await audit.append(Kind.DECISION, {"reason": "caf\u00e9 \x1b[31m", "n": float("nan")}, "odd")

    assert judged(await read(nats_server)).findings == ()


async def test_an_entry_waits_for_nats_and_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.bus.APPEND_SECONDS", 0.1)
    monkeypatch.setattr("workers.audit.AGAIN_SECONDS", 0.1)
    monkeypatch.setattr("workers.audit.PATIENCE_SECONDS", 5.0)
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with auditing(server, REMEDIATION_EXECUTOR) as audit:
            server.kill()
            with capture_logs() as logs:
                await audit.note(Kind.APPLIED, {}, "while NATS was away")
            assert "waits" in logs[-1]["event"]
            server.start()
            for _ in range(100):
                if await read(server):
                    break
                await asyncio.sleep(0.1)
            links = await read(server)

    assert [entry.id for link in links for entry in entries(link.envelope())] == ["while NATS was away"]


async def test_a_record_that_is_full_is_told_at_once_and_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_STREAM_BYTES, "AUDIT", 1024)
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with auditing(server, REMEDIATION_EXECUTOR) as audit:
            began = monotonic()
            with capture_logs() as logs:
                await audit.note(Kind.APPLIED, {"reason": "x" * 2000}, "too much")
            took = monotonic() - began

    assert took < 1.9, "Temporal gives an activity up that is silent for 2 s"
    assert "maximum bytes exceeded" in logs[0]["error"]


async def test_a_record_that_does_not_answer_keeps_no_activity_from_its_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.bus.APPEND_SECONDS", 4.0)
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with auditing(server, REMEDIATION_EXECUTOR) as audit:
            server.kill()
            began = monotonic()
            await audit.note(Kind.APPLIED, {}, "while NATS was away")
            took = monotonic() - began
            server.start()
            await audit.finish()
            links = await read(server)

    assert took < 1.9
    assert [entry.id for link in links for entry in entries(link.envelope())] == ["while NATS was away"]


@pytest.mark.parametrize("agent", [*AGENTS, provisioner(ORCHESTRATOR)])
async def test_nobody_takes_anything_out_of_a_record_not_even_the_installer(
    nats_server: NatsServer, agent: str
) -> None:
    stream = audit_stream(ORCHESTRATOR)
    async with connected(nats_server, agent) as bus:
        with capture_logs() as logs:
            for verb in ("DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE"):
                await bus._client.publish(f"$JS.API.STREAM.{verb}.{stream}", b"{}", reply="x")
            await bus._client.flush()
            await asyncio.sleep(0.1)

    assert len([one for one in logs if one["event"] == "nats denied it"]) == 5


async def test_no_agent_writes_into_anothers_record(nats_server: NatsServer) -> None:
    async with connected(nats_server, REMEDIATION_EXECUTOR) as bus:
        with capture_logs() as logs:
            await bus._client.publish(audit_subject(ORCHESTRATOR), b"{}")
            await bus._client.flush()
            await asyncio.sleep(0.05)

    assert [one["event"] for one in logs] == ["nats denied it"]


async def test_a_grown_record_is_anchored_outside_and_an_idle_one_is_not(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.jsonl"
    async with (
        auditing(nats_server, ORCHESTRATOR, "anchored") as audit,
        anchoring(nats_server, file) as anchors,
    ):
        await audit.append(Kind.DECISION, {})
        first = await anchors.anchor()
        assert await anchors.anchor() is None
        await audit.append(Kind.DECISION, {})
        second = await anchors.anchor()

    assert first is not None
    assert second is not None
    assert anchors.digest == second.digest[:16]
    kept, _ = audit_file.read_anchors([file])
    assert kept == [first, second]
    assert judged(await read(nats_server), tuple(kept)).findings == ()


async def tampered(tmp_path: Path, again: bool) -> tuple[Verdict, Verdict, list[str]]:
    """Let an attacker with all of NATS take one stream away and put another in its place.

    Return what is found without anchors, with those of the file, and what the liaison says at its next look.
    """
    file = tmp_path / "anchors.jsonl"
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with auditing(server, ORCHESTRATOR) as audit:
            for n in range(5):
                await audit.append(Kind.DECISION, {"n": n}, f"true-{n}")
        async with anchoring(server, file) as anchors:
            await anchors.anchor()
        before = [link for link in await read(server) if link.stream == ORCHESTRATOR]

        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(15)
        shutil.rmtree(
            server.folder / "store/jetstream" / ORCHESTRATOR / "streams" / audit_stream(ORCHESTRATOR)
        )
        server.start()
        await provision(server.url, server.pki)
        async with connected(server, ORCHESTRATOR) as bus:
            if again:
                forger = Audit(bus, Signer(ORCHESTRATOR, KEYS[ORCHESTRATOR]), CLUSTER, "0")
                for n in range(7):
                    await forger.append(Kind.DECISION, {"n": n}, f"forged-{n}")
            else:
                await copied(bus, before[:2])
        links = await read(server)
        with capture_logs() as logs:
            async with anchoring(server, file) as anchors:
                await anchors._recall()
                await anchors.anchor()
        kept, _ = audit_file.read_anchors([file])
        alone = judged([link for link in links if link.stream != LIAISON])
        return alone, judged(links, tuple(kept)), [one["event"] for one in logs]


async def copied(bus: Bus, links: list[Link]) -> None:
    for link in links:
        await bus.append(link.subject, link.data.encode())


async def test_a_stream_that_was_deleted_and_filled_with_its_own_beginning_is_found(tmp_path: Path) -> None:
    alone, anchored, _ = await tampered(tmp_path, again=False)

    assert alone.findings == ()
    assert [str(one).partition(";")[0] for one in anchored.findings] == [
        "orchestrator/0 at 5: it is cut off after 2"
    ]


async def test_a_stream_that_was_written_anew_with_a_stolen_key_is_found(tmp_path: Path) -> None:
    alone, anchored, _ = await tampered(tmp_path, again=True)

    assert alone.findings == ()
    assert "orchestrator/0 at 5: it was written anew: another one stood here" in [
        str(one).partition(";")[0] for one in anchored.findings
    ]


async def test_an_exported_record_is_proved_with_nothing_running(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, ORCHESTRATOR, "exported") as audit:
        await audit.append(Kind.DECISION, {})
    links = await read(nats_server)
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(f"{link.model_dump_json()}\n" for link in links))

    assert judged(list(audit_file.read_links(file))).findings == ()
    lines = file.read_text().splitlines()
    document = json.loads(lines[0])
    document["data"] = document["data"].replace("decision", "command").replace("applied", "command")
    file.write_text("\n".join([json.dumps(document), *lines[1:]]))
    assert judged(list(audit_file.read_links(file))).findings != ()


@pytest.mark.parametrize("line", ["[1]", "7", '"heads"', '{"facts": [1]}', "not JSON"])
def test_a_file_of_something_else_is_said_to_hold_no_anchor(tmp_path: Path, line: str) -> None:
    file = tmp_path / "anchors.jsonl"
    file.write_text(f"{line}\n")
    with pytest.raises(BadInput, match="holds no anchors"):
        audit_file.read_anchors([file])
