"""The RBAC Auditor from the POST, or the log file, to the signed event, on a real NATS."""

import json
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.memory import MemoryCluster
from deploy.identities import identities
from signals.subjects import RBAC_AUDITOR, dead_stream, feed_stream
from signals.threats import Severity
from tests.nats_server import NatsServer, nats_server
from tests.workers.auditor import auditing, request

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack


def write(log: Path, *events: dict[str, Any]) -> None:
    with log.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in events)


async def test_a_request_of_a_pods_token_is_told_of_that_pod(nats_server: NatsServer, tmp_path: Path) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        made = await auditor.pod()
        uid = made["metadata"]["uid"]
        batch = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [
            request("list", "secrets", "", pod=uid), request("get", "pods", "web-0", "shop", pod=uid),
        ]}  # fmt: skip
        assert await auditor.post(batch) == (200, {"accepted": 2})
        (event,) = await auditor.heard(1)

    assert (event.agent, event.detector, event.rule) == (RBAC_AUDITOR, "secrets_dump", "secrets_dump")
    assert (event.severity, event.confidence, event.technique) == (Severity.HIGH, 0.55, "T1552.007")
    assert event.subject.uid == uid
    assert {one.kind for one in event.entities} == {"Pod", "Node"}
    assert event.evidence[0].data["audit.user"] == "system:serviceaccount:shop:web"
    assert event.evidence[0].data["audit.from"] == "10.20.0.14"
    assert event.title == "ServiceAccount shop/web listed the secrets of the whole cluster"


async def test_without_a_pod_it_is_told_of_the_account_or_the_person(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        await auditor.post([request("list", "secrets", ""), request("list", "secrets", "", account="ada")])
        found = {one.subject.kind: one for one in await auditor.heard(2)}

    assert (found["ServiceAccount"].subject.name, found["ServiceAccount"].subject.uid) == ("web", "u-web")
    assert (found["User"].subject.name, found["User"].severity) == ("ada", Severity.LOW)


async def test_what_people_do_to_a_pod_is_told_of_the_pod(nats_server: NatsServer, tmp_path: Path) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        made = await auditor.pod()
        await auditor.post(request("create", "pods/exec", "web-0", "shop", account="ada"))
        (event,) = await auditor.heard(1)

    assert event.subject.uid == made["metadata"]["uid"]
    assert ("User", "ada") in {(one.kind, one.name) for one in event.entities}


async def test_a_pod_that_nobody_knows_is_named_with_a_caveat(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        await auditor.post(request("list", "secrets", "", pod="7d9f"))
        (event,) = await auditor.heard(1)

    assert event.subject.uid == "7d9f"
    assert event.caveats[0].startswith("unknown:")


async def test_one_request_counts_once_whichever_way_it_comes(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    one, two = request("list", "secrets", ""), request("list", "secrets", "")
    write(log, one, two)
    async with auditing(nats_server, tmp_path, audit_log_file=log) as auditor:
        await auditor.post([one, {**one, "stage": "ResponseStarted"}])
        await auditor.post([one, two])
        events = await auditor.heard(1)

    assert max(event.count for event in events) == 2
    assert len({event.id for event in events}) == 1


async def test_of_what_raises_nothing_nothing_is_kept(nats_server: NatsServer, tmp_path: Path) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        before = await auditor.bus.last(feed_stream(RBAC_AUDITOR))
        ordinary = [request("get", "pods", "web-0", "shop") for _ in range(300)]
        assert await auditor.post({"items": ordinary}) == (200, {"accepted": 300})
        after = await auditor.bus.last(feed_stream(RBAC_AUDITOR))

    assert (before and before.sequence) == (after and after.sequence)


async def test_a_flood_of_refused_requests_is_few_events_whatever_they_name(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        uid = (await auditor.pod())["metadata"]["uid"]
        tried = [
            request(
                verb, resource, f"guess-{number}", f"somewhere-{number}",
                pod=uid if number % 2 else "", responseStatus={"code": 403},
            )
            for number in range(50)
            for verb, resource in (("create", "serviceaccounts/token"), ("create", "pods/exec"))
        ]  # fmt: skip
        await auditor.post(tried)
        found = {(one.detector, one.subject.kind, one.id) for one in await auditor.heard(4)}

    assert sorted((detector, kind) for detector, kind, _ in found) == [
        ("exec_into_pod", "Pod"), ("exec_into_pod", "ServiceAccount"),
        ("token_request", "Pod"), ("token_request", "ServiceAccount"),
    ]  # fmt: skip


async def test_only_who_has_the_token_is_heard(nats_server: NatsServer, tmp_path: Path) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        assert (await auditor.post(request("list", "secrets", ""), token="guess"))[0] == 401


async def test_what_cannot_be_read_is_buried_and_the_rest_is_taken(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        status, answer = await auditor.post([request("list", "secrets", ""), {"not": "an event"}])
        dead = await auditor.bus.last(dead_stream(RBAC_AUDITOR))
        events = await auditor.heard(1)

    assert (status, answer["accepted"], answer["rejected"][0]["index"]) == (400, 1, 1)
    assert dead is not None
    assert json.loads(dead.data) == {"not": "an event"}
    assert len(events) == 1


async def test_who_is_trusted_is_not_suspected(nats_server: NatsServer, tmp_path: Path) -> None:
    trusted = "system:serviceaccount:shop:web, ada"
    async with auditing(nats_server, tmp_path, trusted_users=trusted) as auditor:
        await auditor.post([request("list", "secrets", "", account=who) for who in ("ada", "bob")])
        (event,) = await auditor.heard(1)

    assert event.subject.name == "bob"


# ---- the log file -------------------------------------------------------------------------------------------


async def test_a_log_is_followed_across_rotation_and_restart(nats_server: NatsServer, tmp_path: Path) -> None:
    log, cluster = tmp_path / "audit.log", MemoryCluster()
    names = [f"person-{number}" for number in range(6)]

    def asked(number: int) -> dict[str, Any]:
        return request("list", "secrets", "", account=names[number])

    write(log, asked(0))
    async with auditing(nats_server, tmp_path, audit_log_file=log, cluster=cluster) as auditor:
        await auditor.heard(1)
        with log.open("a") as file:
            file.write(json.dumps(asked(1))[:40])
            file.flush()
            await auditor.heard(0)
            log.rename(tmp_path / "audit-2026-11-25T01-00-00.000.log")
            file.write(json.dumps(asked(1))[40:] + "\n")
        write(log, asked(2))
        found = await auditor.heard(1)
    log.rename(tmp_path / "audit-2026-11-25T02-00-00.000.log")
    write(tmp_path / "audit-2026-11-25T02-00-00.000.log", asked(3))
    write(log, asked(4))
    async with auditing(nats_server, tmp_path, audit_log_file=log, cluster=cluster) as auditor:
        write(log, asked(5))
        found += await auditor.heard(3)

    assert {event.subject.name for event in found} >= set(names[2:])
    assert all(event.count == 1 for event in found)


async def test_lines_that_are_none_stop_nothing(nats_server: NatsServer, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(b"\x00\xff nonsense\n\n{}\n")
    write(log, request("list", "secrets", ""))
    async with auditing(nats_server, tmp_path, audit_log_file=log) as auditor:
        assert len(await auditor.heard(1)) == 1


async def test_the_auditor_uses_every_right_that_it_has_and_no_other(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with auditing(nats_server, tmp_path) as auditor:
        await auditor.pod()
        await auditor.post(request("create", "pods/exec", "web-0", "shop"))
        await auditor.heard(1)
        used = auditor.cluster.used(RBAC_AUDITOR)
    row = next(one for one in identities() if one.agent == RBAC_AUDITOR)
    granted = {(f"{one.group}/{one.resource}".lstrip("/"), verb) for one in row.cluster for verb in one.verbs}

    assert used == granted
