"""The Runtime Guardian from the POST to the signed event, on a real NATS."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import pytest

from activities.adapters.memory import MemoryCluster
from activities.adapters.nats import ClientTls
from activities.ports import PODS, Change, Entry, KeyValue, Resource
from deploy.bus import FALCOSIDEKICK
from deploy.identities import identities
from signals.catalog import load
from signals.detector import Detection, Detector
from signals.detectors import runtime
from signals.envelope import Signer
from signals.policy import parse
from signals.subjects import RUNTIME_GUARDIAN, dead_stream, feed_stream, feed_subject, state_bucket
from signals.telemetry.falco import Alert, read
from signals.threats import Mode, Severity, ThreatEvent
from tests.nats_server import NatsServer, connected, nats_server
from tests.workers.guardian import KEY, Guardian, alert, context_for, guarding, heard, pod, settings_for
from workers import feed
from workers.alerts import Alerts
from workers.bus import Bus
from workers.chain import ThreatPublisher
from workers.counting import Counting
from workers.delivery import Message
from workers.guarding import Guarding
from workers.observing import Observing
from workers.pod_index import PodIndex
from workers.runtime_guardian import run
from workers.sources import ALERTS, FALCO

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

SHELL = "Redirect STDOUT/STDIN to Network Connection in Container"
EGRESS = "Outbound Connection to C2 Servers"


def named(name: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"k8s.ns.name": "shop", "k8s.pod.name": name, **(fields or {})}


def highest(events: list[ThreatEvent]) -> list[ThreatEvent]:
    """Return the highest revision of each event, as every reader keeps it."""
    best: dict[str, ThreatEvent] = {}
    for event in events:
        if event.id not in best or event.revision > best[event.id].revision:
            best[event.id] = event
    return list(best.values())


def counted(events: list[ThreatEvent]) -> int:
    return sum(event.count for event in highest(events))


async def test_a_reverse_shell_is_told_with_all_that_is_known(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        enrolment = {"apiVersion": "firebreak.dev/v1alpha1", "kind": "Enrolment", "spec": {"mode": "auto"}}
        await guardian.create({**enrolment, "metadata": {"name": "shop"}})
        made = await guardian.create(pod("web-0", status={"podIP": "10.20.0.14"}))
        sent = alert(
            SHELL,
            fields=named("web-0", {"fd.name": "10.20.0.14:41822->203.0.113.66:4444", "fd.l4proto": "tcp"}),
        )
        assert await guardian.post(sent) == (200, {"accepted": 1})
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert event.title == (
        "sh in pod shop/web-0 takes its commands from a connection to 203.0.113.66:4444: a reverse shell"
    )
    assert (event.detector, event.rule, event.technique) == ("reverse_shell", SHELL, "T1059")
    assert (event.severity, event.confidence) == (Severity.CRITICAL, 0.9)
    assert event.subject.uid == made["metadata"]["uid"]
    assert event.subject.cluster == guardian.cluster.ref
    assert (event.enrolled, event.mode) == (True, Mode.AUTO)
    assert event.peer is not None
    assert (event.peer.address, event.peer.port, event.peer.direction) == ("203.0.113.66", 4444, "Egress")
    assert {(entity.kind, entity.name) for entity in event.entities} == {
        ("Pod", "web-0"),
        ("Node", "node-1"),
        ("Address", "203.0.113.66"),
    }
    assert event.accepted_at is not None
    assert abs((event.accepted_at - event.observed_at).total_seconds()) < 5
    (evidence,) = event.evidence
    assert evidence.sha256 == read(json.dumps(sent).encode()).sha256
    assert evidence.data["fd.name"] == "10.20.0.14:41822->203.0.113.66:4444"
    assert event.caveats == ()
    assert (event.count, event.revision) == (1, 1)


async def test_the_exception_is_a_line_of_the_policy(nats_server: NatsServer, tmp_path: Path) -> None:
    rule = 'Ours: "quoted", #1'
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.post(alert(rule, fields=named("web-0")))
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert parse(event.exception).rules[rule].ignore


async def test_a_peer_inside_of_the_cluster_is_told_as_its_pod(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.create(pod("web-0", status={"podIP": "10.20.0.14"}))
        other = await guardian.create(pod("db-0", "lab", status={"podIP": "10.20.0.99"}))
        await guardian.post(
            alert(EGRESS, fields=named("web-0", {"fd.name": "10.20.0.14:4->10.20.0.99:5432"}))
        )
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert event.peer is not None
    assert event.peer.pod is not None
    assert event.peer.pod.uid == other["metadata"]["uid"]
    assert other["metadata"]["uid"] not in {entity.uid for entity in event.entities}


async def test_an_alert_about_a_pod_that_nobody_knows_is_still_an_event(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.post(alert(SHELL, fields=named("ghost"), time=None, tags=None))
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert (event.subject.name, event.subject.uid) == ("ghost", None)
    assert event.caveats == ("unknown: the API server has no pod of this name",)


async def test_an_alert_without_a_time_takes_that_of_its_acceptance(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.post({"rule": SHELL, "output_fields": named("ghost")})
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert abs((datetime.now(UTC) - event.observed_at).total_seconds()) < 60
    assert "the alert tells no time: that of its acceptance stands for it" in event.caveats


async def test_a_flood_about_twenty_pods_is_twenty_events(nats_server: NatsServer, tmp_path: Path) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        for number in range(20):
            await guardian.create(pod(f"web-{number}"))
        at = 1767268790 * 10**9
        alerts = [
            alert(fields=named(f"web-{number % 20}", {"proc.pid": number}), time=at + number * 10**6)
            for number in range(10_000)
        ]
        for start in range(0, len(alerts), 500):
            assert await guardian.post(alerts[start : start + 500]) == (200, {"accepted": 500})
        said = await heard(nats_server, guardian.cluster.ref, 20, lambda said: counted(said) == 10_000, 45)
    events = highest(said)
    assert len(events) == 20
    assert {event.count for event in events} == {500}
    assert len(said) <= 20 * 10


async def test_the_end_of_a_flood_is_told_when_it_is_quiet(nats_server: NatsServer, tmp_path: Path) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        for number in range(4):
            await guardian.post(alert(fields=named("web-0", {"proc.pid": number})))
        said = await heard(nats_server, guardian.cluster.ref, 2, lambda said: counted(said) == 4)
    assert [(event.count, event.revision) for event in highest(said)] == [(4, 4)]


async def test_the_last_count_is_told_before_the_guardian_stops(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.post([alert(fields=named("web-0", {"proc.pid": number})) for number in range(5)])
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
        assert event.count == 5
        await guardian.post([alert(fields=named("web-0", {"proc.pid": number})) for number in range(5, 9)])
        await asyncio.sleep(0.3)
    (last,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert last.count == 9


async def test_the_same_alert_is_counted_once_whoever_forwards_it(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        sent = alert(fields=named("web-0"))
        for uuid in ("", "0b8b1a34", "5c1f"):
            assert (await guardian.post({**sent, "uuid": uuid}, "/falco"))[0] == 200
        await over_nats(nats_server, sent | {"uuid": "another"})
        await guardian.post(alert(fields=named("marker")))
        events = await heard(nats_server, guardian.cluster.ref, 2)
    assert sorted((event.subject.name, event.count) for event in events) == [("marker", 1), ("web-0", 1)]


async def over_nats(server: NatsServer, sent: dict[str, Any]) -> None:
    """Publish an alert as falcosidekick does."""
    client = await nats.connect(
        server.url,
        tls=ClientTls(server.pki, FALCOSIDEKICK).context,
        inbox_prefix="_INBOX.f",
    )
    await client.publish("falco.notice.terminal_shell_in_container", json.dumps(sent).encode())
    await client.flush()
    await client.close()


async def test_what_falcosidekick_publishes_on_nats_is_taken(nats_server: NatsServer, tmp_path: Path) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await over_nats(nats_server, alert(fields=named("web-0")))
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert event.subject.name == "web-0"


async def test_two_replicas_tell_one_event(nats_server: NatsServer, tmp_path: Path) -> None:
    cluster = MemoryCluster()
    async with (
        guarding(nats_server, tmp_path, cluster=cluster) as first,
        guarding(nats_server, tmp_path, cluster=cluster, replica="1") as second,
    ):
        await first.create(pod("web-0"))
        at = 1767268790 * 10**9
        sent = [alert(fields=named("web-0", {"proc.pid": n}), time=at + n * 10**6) for n in range(200)]
        answers = await asyncio.gather(
            *((first, second)[number % 2].post(one) for number, one in enumerate(sent))
        )
        assert {status for status, _ in answers} == {200}
        said = await heard(nats_server, cluster.ref, 1, lambda said: counted(said) == 200)
    (event,) = highest(said)
    assert event.count == 200


async def test_a_secret_is_in_no_store(nats_server: NatsServer, tmp_path: Path) -> None:
    secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    async with guarding(nats_server, tmp_path) as guardian:
        fields = named(
            "web-0", {"proc.cmdline": f"git clone https://{secret}@github.com/x", "user.name": secret}
        )
        await guardian.post(alert(fields=fields, output=f"x {secret}", hostname=secret))
        await over_nats(nats_server, alert(fields=named("web-0", {"proc.cmdline": f"x {secret}"})))
        events = await heard(nats_server, guardian.cluster.ref, 1)
    assert secret not in "".join(event.model_dump_json() for event in events)
    stored = [path for path in (nats_server.folder / "store").rglob("*") if path.is_file()]
    assert not [path for path in stored if secret.encode() in path.read_bytes()]


async def test_what_is_no_batch_in_the_feed_is_buried_and_the_feed_goes_on(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.bus.append(feed_subject(RUNTIME_GUARDIAN, FALCO), b"nonsense")
        await guardian.post(alert(fields=named("web-0")))
        assert len(await heard(nats_server, guardian.cluster.ref, 1)) == 1
        last = await guardian.bus.last(dead_stream(RUNTIME_GUARDIAN))
    assert last is not None
    assert last.data == b"nonsense"


async def test_the_guardian_uses_what_it_was_granted_and_no_more(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        await guardian.create(pod("web-0"))
        await guardian.post(alert(fields=named("web-0")))
        await guardian.post(alert(fields=named("ghost")))
        await heard(nats_server, guardian.cluster.ref, 2)
        used = guardian.cluster.used(RUNTIME_GUARDIAN)
    row = next(one for one in identities() if one.agent == RUNTIME_GUARDIAN)
    granted = {
        (f"{grant.group}/{grant.resource}".lstrip("/"), verb) for grant in row.cluster for verb in grant.verbs
    }
    assert used == granted


class Died(Exception):
    """The process is gone."""


class DyingBucket:
    """A bucket whose process dies before or after its first write."""

    def __init__(self, bucket: KeyValue, when: str) -> None:
        self._bucket, self._when = bucket, when

    async def _write(self, write: Awaitable[int]) -> int:
        if self._when == "before the count":
            write.close()  # type: ignore[attr-defined]  # a coroutine that never runs
            raise Died
        revision = await write
        if self._when == "after the count":
            raise Died
        return revision

    async def get(self, key: str) -> Entry | None:
        return await self._bucket.get(key)

    async def create(self, key: str, value: bytes) -> int:
        return await self._write(self._bucket.create(key, value))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        return await self._write(self._bucket.update(key, value, revision))

    async def delete(self, key: str) -> None:
        await self._bucket.delete(key)

    async def keys(self) -> list[str]:
        return await self._bucket.keys()


class DyingPublisher(ThreatPublisher):
    """A publisher whose process dies before or after it publishes."""

    when = ""

    async def publish(self, event: ThreatEvent) -> int:
        if self.when == "before it is published":
            raise Died
        sequence = await super().publish(event)
        if self.when == "after it is published":
            raise Died
        return sequence


@dataclass
class Process:
    """One life of the guardian's process, as far as a feed message sees it."""

    bus: Bus
    cluster: MemoryCluster

    def guarding(self, when: str = "") -> Guarding[Alert]:
        index = PodIndex(self.cluster.ref)
        index.apply(PODS, Change("ADDED", {"metadata": {**pod("web-0")["metadata"], "uid": "u-1"}}))
        publisher = DyingPublisher(self.bus, Signer(RUNTIME_GUARDIAN, KEY), self.cluster.ref, "0")
        publisher.when = when
        bucket = self.bus.kv(state_bucket(RUNTIME_GUARDIAN))
        return Guarding(
            source=ALERTS,
            reading=Alerts(Detection(load(runtime, Detector).values()), index),
            counting=Counting(DyingBucket(bucket, when) if when else bucket),
            publisher=publisher,
            bus=self.bus,
            observing=Observing(self.bus),
        )

    async def feed(self, *alerts: dict[str, Any]) -> None:
        await feed.Feed(self.bus, ALERTS).append(
            [feed.Record(alert=read(json.dumps(one).encode()), sender="test") for one in alerts]
        )

    async def next(self, handle: Callable[[list[Message]], Awaitable[None]]) -> None:
        """Hand over the next messages of the feed; if that dies, they come again at once."""
        stream = self.bus.consume(feed_stream(RUNTIME_GUARDIAN), RUNTIME_GUARDIAN)
        async with asyncio.timeout(10), aclosing(stream) as batches:
            async for messages in batches:
                if not messages:
                    continue
                try:
                    await handle(messages)
                finally:
                    for message in messages:
                        if not message.settled:
                            await message.nak()
                return


@asynccontextmanager
async def process(server: NatsServer) -> AsyncIterator[Process]:
    async with connected(server, RUNTIME_GUARDIAN) as bus:
        yield Process(bus, MemoryCluster())


@pytest.mark.parametrize(
    "when", ["before the count", "after the count", "before it is published", "after it is published"]
)
async def test_dying_between_any_two_steps_loses_nothing_and_doubles_nothing(
    nats_server: NatsServer, when: str
) -> None:
    async with process(nats_server) as life:
        one, two = alert(fields=named("web-0")), alert(fields=named("web-0", {"proc.pid": 8}))
        await life.feed(one)
        with pytest.raises(Died):
            await life.next(life.guarding(when).handle)
        await life.next(life.guarding().handle)
        await life.feed(two)
        with pytest.raises(Died):
            await life.next(life.guarding(when).handle)
        await life.next(life.guarding().handle)
        said = await heard(nats_server, life.cluster.ref, 2)
    assert {(event.revision, event.count) for event in said} == {(1, 1), (2, 2)}
    assert len(said) == 2
    assert len({event.id for event in said}) == 1


async def test_what_dies_between_publishing_and_acknowledging_is_said_once(nats_server: NatsServer) -> None:
    async with process(nats_server) as life:

        class Unacknowledged(Exception):
            pass

        async def handle(messages: list[Message]) -> None:
            deaf = [
                Deaf(**{name: getattr(one, name) for name in Message.__dataclass_fields__})
                for one in messages
            ]
            await life.guarding().handle(deaf)
            raise Unacknowledged

        await life.feed(alert(fields=named("web-0")))
        with pytest.raises(Unacknowledged):
            await life.next(handle)
        await life.next(life.guarding().handle)
        said = await heard(nats_server, life.cluster.ref, 1)
    assert [(event.revision, event.count) for event in said] == [(1, 1)]


class Deaf(Message):
    """A message whose acknowledgement does not arrive."""

    async def ack(self) -> None:
        return


class Frozen(MemoryCluster):
    """An API server that never answers."""

    async def watch(self, resource: Resource, namespace: str | None = None) -> AsyncGenerator[Change, None]:
        await asyncio.Event().wait()
        yield Change("SYNCED", {})


async def test_alerts_are_accepted_while_the_api_server_is_away(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as bus:
        settings, stopping = settings_for(nats_server, tmp_path), asyncio.Event()
        context = context_for(settings, bus, Frozen(), stopping, lambda: pytest.fail("it is not ready"))
        task = asyncio.create_task(run(context))
        guardian = Guardian(settings, MemoryCluster(), bus)
        await asyncio.sleep(0.3)
        assert await guardian.post(alert(fields=named("web-0"))) == (200, {"accepted": 1})
        stopping.set()
        await asyncio.wait_for(task, 5)
        stopped = datetime.now(UTC)
        life = Process(bus, MemoryCluster())
        await life.next(life.guarding().handle)
        (event,) = await heard(nats_server, life.cluster.ref, 1)
    assert event.accepted_at is not None
    assert event.accepted_at < stopped
