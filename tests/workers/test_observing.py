"""What an agent remembers and answers, on a real NATS; and an investigation whose witnesses do not all answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.adapters.memory import MemoryCluster
from activities.investigate import Investigating
from activities.witnesses import LOOKBACK, hear
from deploy.nats import provision
from signals.entities import ClusterRef, Entity
from signals.errors import BadInput, Unavailable
from signals.observations import KEPT, Observation, Observations, ObservationsQuery
from signals.requests import InvestigationRequest
from signals.subjects import (
    CONTEXT_STORE,
    DETECTING,
    FORENSIC_INVESTIGATOR,
    OBSERVATIONS,
    RUNTIME_GUARDIAN,
    object_stream,
    observed_stream,
    service_subject,
)
from tests.nats_server import NatsServer, connected, nats_server, serving
from tests.workers.guardian import alert, guarding, pod
from workers.observing import Observing, Window

__all__ = ["nats_server"]

CLUSTER = ClusterRef(name="test", uid="c-1")
NOW = datetime.now(UTC).replace(microsecond=0)
SUBJECT = service_subject(RUNTIME_GUARDIAN, OBSERVATIONS)


def web(uid: str | None = "u-1", name: str = "web-0") -> Entity:
    return Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name=name, uid=uid)


def seen(name: str, *, ago: float = 0, of: Entity | None = None, what: str = "A shell") -> Observation:
    at = NOW - timedelta(minutes=ago)
    return Observation(id=name, at=at, until=at, what=what, entities=(of or web(),))


def query(
    of: Entity | None = None, *, since: float = 60, until: float = -60, limit: int = 500
) -> ObservationsQuery:
    return ObservationsQuery(
        entity=of or web(),
        since=NOW - timedelta(minutes=since),
        until=NOW - timedelta(minutes=until),
        limit=limit,
    )


def ids(window: Window, asked: ObservationsQuery) -> list[str]:
    return [one.id for one in window.about(asked)[0]]


def test_a_window_finds_by_uid_by_name_and_between_two_instants() -> None:
    window = Window()
    for one in (
        seen("old", ago=90),
        seen("b", ago=20),
        seen("a", ago=20),
        seen("other", of=web("u-2", "web-1")),
    ):
        window.add(one)

    assert ids(window, query()) == ["a", "b"]
    assert ids(window, query(web(uid=None))) == ["a", "b"]
    assert ids(window, query(since=100)) == ["old", "a", "b"]
    assert ids(window, query(until=30)) == []


def test_what_comes_again_is_remembered_once() -> None:
    window = Window()
    window.add(seen("a"))
    window.add(seen("a"))

    assert ids(window, query()) == ["a"]


def test_a_window_is_bounded_in_number_and_says_from_when_on_it_is_whole() -> None:
    window = Window(most=3)
    for number in range(10):
        window.add(seen(f"n{number}", ago=20 - number))

    assert ids(window, query()) == ["n7", "n8", "n9"]
    assert window.complete_since(NOW) == NOW - timedelta(minutes=14)
    assert len(window._about) == 2


def test_a_window_forgets_what_is_too_old_and_keeps_nothing_of_it() -> None:
    window = Window()
    window.add(seen("old", ago=KEPT.total_seconds() / 60 + 1))
    window.add(seen("new"))
    window.age(NOW)

    assert ids(window, query(since=1000)) == ["new"]
    assert window.complete_since(NOW) == NOW - KEPT


def test_the_latest_are_told_and_how_many_are_left_out() -> None:
    window = Window()
    for number in range(10):
        window.add(seen(f"n{number}", ago=20 - number))
    found, left_out = window.about(query(limit=4))

    assert ([one.id for one in found], left_out) == (["n6", "n7", "n8", "n9"], 6)


@pytest.mark.stack
async def test_a_restarted_replica_answers_what_another_has_seen(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as one,
        connected(nats_server, RUNTIME_GUARDIAN) as two,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        target = web("u-restarted", "restarted")
        await Observing(one).keep([seen("before", of=target)])
        serving_two = asyncio.create_task(Observing(two).serve())
        await asyncio.sleep(0.1)
        await Observing(one).keep([seen("later", of=target)])
        raw = await investigator.ask(SUBJECT, query(target).model_dump_json().encode(), timeout=5)
        serving_two.cancel()
    answer = Observations.model_validate_json(raw)

    assert [one.id for one in answer.observations] == ["before", "later"]
    assert answer.agent == RUNTIME_GUARDIAN
    assert answer.complete_since is not None


@pytest.mark.stack
async def test_what_is_no_question_is_refused_with_a_reason(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, Observing(guardian).answer)
        for question in (
            b"",
            b"[]",
            b'{"entity": 1}',
            query().model_dump_json().replace("500", "501").encode(),
        ):
            with pytest.raises(BadInput, match="not a question"):
                await investigator.ask(SUBJECT, question, timeout=5)


@pytest.mark.stack
async def test_a_batch_that_is_too_large_for_one_message_is_kept_in_several(nats_server: NatsServer) -> None:
    async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
        target = web("u-large", "large")
        large = [seen(f"l{n}", of=target).model_copy(update={"summary": "x" * 300_000}) for n in range(40)]
        observing = Observing(guardian)
        await observing.keep(large)
        await observing.read_on()

        assert len(observing._window.about(query(target))[0]) == 40


@pytest.mark.stack
async def test_an_alert_is_remembered_however_little_it_means(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """The guardian as its process runs it: what it received can be asked for, its secrets are not in it."""
    async with guarding(nats_server, tmp_path) as guardian:
        manifest = await guardian.create(pod("seen-0"))
        fields = {"k8s.ns.name": "shop", "k8s.pod.name": "seen-0"}
        for _ in range(3):
            text = alert(
                "Some rule of ours", priority="Debug", fields=fields, output="token=s3cr3t-value here"
            )
            assert (await guardian.post(text))[0] == 200
        target = Entity(
            cluster=guardian.cluster.ref,
            kind="Pod",
            namespace="shop",
            name="seen-0",
            uid=manifest["metadata"]["uid"],
        )
        async with connected(nats_server, FORENSIC_INVESTIGATOR) as investigator:
            raw = b""
            found: tuple[Observation, ...] = ()
            for _ in range(100):
                raw = await investigator.ask(SUBJECT, query(target).model_dump_json().encode(), timeout=5)
                found = Observations.model_validate_json(raw).observations
                if sum(one.count for one in found) == 3:
                    break
                await asyncio.sleep(0.05)

    assert {one.what for one in found} == {"Some rule of ours"}
    assert sum(one.count for one in found) == 3
    assert b"s3cr3t-value" not in raw


@pytest.mark.stack
async def test_observations_give_way_to_newer_ones_and_nothing_else_does(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        streams = server.monitor("jsz?accounts=1&streams=1&config=1")["account_details"]
    discards = {
        stream["name"]: stream["config"]["discard"] for one in streams for stream in one["stream_detail"]
    }

    assert {name for name, discard in discards.items() if discard == "old"} == {
        *map(observed_stream, DETECTING),
        object_stream(CONTEXT_STORE),
    }


def answering(*observations: Observation, whole: bool = True) -> Callable[[bytes], Awaitable[bytes]]:
    async def ask(question: bytes) -> bytes:
        asked = ObservationsQuery.model_validate_json(question)
        since = asked.since if whole else NOW
        return (
            Observations(agent="x", observations=observations, complete_since=since)
            .model_dump_json()
            .encode()
        )

    return ask


async def silent(question: bytes) -> bytes:
    raise Unavailable("nobody answers there; does the agent run?")


async def slow(question: bytes) -> bytes:
    await asyncio.sleep(60)
    return b""


async def odd(question: bytes) -> bytes:
    return b"\xff{}"


async def test_what_was_seen_beside_a_thing_is_not_said_of_it() -> None:
    other = web().model_copy(update={"name": "api-0", "uid": "another"})
    witness = answering(seen("a"), seen("b", of=other, what="A change"))
    (answer,) = await hear({"store": witness}, [web()], NOW - LOOKBACK, NOW)
    at = f"{NOW:%H:%M:%S}"
    assert answer.findings == (
        f"store saw 'A change' around pod/shop/web-0 at {at}",
        f"store saw 'A shell' of pod/shop/web-0 at {at}",
    )


async def test_who_does_not_answer_is_named_and_nobody_else_is_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("activities.witnesses.DEADLINE", 0.2)
    good = answering(seen("a", ago=3), seen("b", ago=1), seen("c", what="A file"))
    witnesses = {"good": good, "silent": silent, "slow": slow, "odd": odd, "young": answering(whole=False)}
    answers = await hear(witnesses, [web()], NOW - LOOKBACK, NOW)

    findings = [line for answer in answers for line in answer.findings]
    missing = [
        line.partition(": ")[0] + ": " + line.partition(": ")[2] for one in answers for line in one.missing
    ]
    minutes = [f"{NOW - timedelta(minutes=ago):%H:%M:%S}" for ago in (3, 1, 0)]
    assert findings == [
        f"good saw 'A file' of pod/shop/web-0 at {minutes[2]}",
        f"good saw 'A shell' of pod/shop/web-0 2 times between {minutes[0]} and {minutes[1]}",
    ]
    assert missing == [
        "silent on pod/shop/web-0: did not answer: nobody answers there; does the agent run?",
        "slow on pod/shop/web-0: did not answer within 0.2 s",
        "odd on pod/shop/web-0: gave an answer that cannot be read",
        f"young on pod/shop/web-0: it remembers only from {NOW:%H:%M:%S} on",
    ]


@pytest.mark.parametrize(("witnesses", "confidence"), [((answering(),), 1.0), ((answering(), silent), 0.5)])
async def test_an_investigation_without_all_of_its_witnesses_is_less_sure_and_does_not_fail(
    witnesses: tuple[Callable[[bytes], Awaitable[bytes]], ...], confidence: float
) -> None:
    asked: list[ObservationsQuery] = []

    def noting(ask: Callable[[bytes], Awaitable[bytes]]) -> Callable[[bytes], Awaitable[bytes]]:
        async def told(question: bytes) -> bytes:
            asked.append(ObservationsQuery.model_validate(json.loads(question)))
            return await ask(question)

        return told

    cluster = MemoryCluster()
    named = {f"w{number}": noting(witness) for number, witness in enumerate(witnesses)}
    request = InvestigationRequest(incident="i", cluster=cluster.ref, subjects=(web(),), since=NOW)
    found = await ActivityEnvironment().run(Investigating(cluster, {}, named).collect_evidence, request)

    assert found.confidence == confidence
    assert {one.since for one in asked} == {NOW - LOOKBACK}
    assert len([line for line in found.missing if "did not answer" in line]) == len(witnesses) - 1
