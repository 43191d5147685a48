"""Questions between agents on a real NATS: who may ask, what an error is at the asker, and replicas."""

import asyncio
from collections import Counter
from time import monotonic

import pytest
from structlog.testing import capture_logs

from deploy.nats import MAX_PAYLOAD
from signals.errors import BadInput, Conflict, FirebreakError, NotFound, Refused, Unavailable
from signals.subjects import (
    AGENTS,
    FORENSIC_INVESTIGATOR,
    OBSERVATIONS,
    RUNTIME_GUARDIAN,
    service_subject,
    threat_subject,
    threats_stream,
)
from tests.nats_server import NatsServer, connected, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

SUBJECT = service_subject(RUNTIME_GUARDIAN, OBSERVATIONS)


async def echo(question: bytes) -> bytes:
    return b"heard " + question


async def test_who_is_imported_asks_and_gets_the_answer(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, echo)

        answers = await asyncio.gather(
            *(investigator.ask(SUBJECT, str(number).encode(), timeout=5) for number in range(50))
        )

    assert answers == [b"heard %d" % number for number in range(50)]


@pytest.mark.parametrize("stranger", sorted(set(AGENTS) - {FORENSIC_INVESTIGATOR}))
async def test_nobody_else_asks_and_the_question_does_not_arrive(
    nats_server: NatsServer, stranger: str
) -> None:
    heard: list[bytes] = []

    async def listen(question: bytes) -> bytes:
        heard.append(question)
        return b""

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, stranger) as asker,
    ):
        await guardian.serve(SUBJECT, listen)
        with capture_logs(), pytest.raises(Unavailable, match="permissions violation for publish"):
            await asker.ask(SUBJECT, b"who are you", timeout=0.5)

    assert heard == []


async def test_nobody_else_answers(nats_server: NatsServer) -> None:
    async with (
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
        connected(nats_server, "falcosidekick") as sidekick,
    ):
        for liar in (investigator, sidekick):
            with capture_logs():
                await liar.serve(SUBJECT, echo)

        with pytest.raises(Unavailable, match="nobody answers there"):
            await investigator.ask(SUBJECT, b"?", timeout=5)


async def test_a_question_cannot_carry_its_answer_into_another_agents_stream(
    nats_server: NatsServer,
) -> None:
    """The attacker names the guardian's own subject as reply, so that the answer would be stored as its word."""
    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, echo)
        await guardian.append(threat_subject(RUNTIME_GUARDIAN, "x"), b"before")
        await investigator._client.publish(SUBJECT, b"?", reply=threat_subject(RUNTIME_GUARDIAN, "x"))
        await investigator._client.flush()
        await asyncio.sleep(0.3)
        last = await guardian.last(threats_stream(RUNTIME_GUARDIAN))

    assert last is not None
    assert last.data == b"before"


@pytest.mark.parametrize(
    "error", [NotFound("no such pod"), Refused("not that one"), Conflict("changed »"), BadInput("say when")]
)
async def test_an_error_of_the_other_agent_is_raised_as_the_same_class(
    nats_server: NatsServer, error: FirebreakError
) -> None:
    async def fail(question: bytes) -> bytes:
        raise error

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, fail)
        with pytest.raises(type(error)) as raised:
            await investigator.ask(SUBJECT, b"?", timeout=5)

    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)


async def test_unavailable_keeps_how_long_to_wait(nats_server: NatsServer) -> None:
    async def later(question: bytes) -> bytes:
        raise Unavailable("busy", retry_after=1.5)

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, later)
        with pytest.raises(Unavailable, match="busy") as raised:
            await investigator.ask(SUBJECT, b"?", timeout=5)

    assert raised.value.retry_after == 1.5


async def test_a_fault_of_the_other_agent_is_logged_there_and_tells_nothing_of_its_text(
    nats_server: NatsServer,
) -> None:
    async def fault(question: bytes) -> bytes:
        raise ValueError("a secret")

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, fault)
        with capture_logs() as logs, pytest.raises(Unavailable, match=r"answering failed: ValueError$"):
            await investigator.ask(SUBJECT, b"?", timeout=5)

    assert [record["event"] for record in logs] == ["a question could not be answered"]


async def test_where_nobody_serves_the_asker_knows_soon(nats_server: NatsServer) -> None:
    async with connected(nats_server, FORENSIC_INVESTIGATOR) as investigator:
        since = monotonic()
        with pytest.raises(Unavailable, match="nobody answers there; does the agent run"):
            await investigator.ask(SUBJECT, b"?", timeout=60)

    assert monotonic() - since < 10


async def test_an_answer_that_does_not_come_in_time_is_unavailable(nats_server: NatsServer) -> None:
    async def sleep(question: bytes) -> bytes:
        await asyncio.sleep(30)
        return b""

    async with (
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
    ):
        await guardian.serve(SUBJECT, sleep)
        with pytest.raises(Unavailable, match="did not answer in time"):
            await investigator.ask(SUBJECT, b"?", timeout=0.2)
        for task in guardian._answers._under_way:
            task.cancel()


async def test_an_answer_that_is_too_large_is_said_to_be_so(nats_server: NatsServer) -> None:
    async def boast(question: bytes) -> bytes:
        return b"x" * (MAX_PAYLOAD + 1)

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, boast)
        with pytest.raises(BadInput, match="ask for less"):
            await investigator.ask(SUBJECT, b"?", timeout=5)
        with pytest.raises(BadInput):
            await investigator.ask(SUBJECT, b"x" * (MAX_PAYLOAD + 1), timeout=5)


async def test_replicas_share_the_questions_and_each_is_answered_once(nats_server: NatsServer) -> None:
    answered: Counter[str] = Counter()

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as one,
        connected(nats_server, RUNTIME_GUARDIAN) as two,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        for name, replica in (("one", one), ("two", two)):

            async def answer(question: bytes, name: str = name) -> bytes:
                answered[name] += 1
                return question

            await replica.serve(SUBJECT, answer)
        await asyncio.gather(*(investigator.ask(SUBJECT, b"?", timeout=5) for _ in range(60)))

    assert answered.total() == 60
    assert min(answered["one"], answered["two"]) > 0


async def test_no_more_questions_are_in_hand_than_were_agreed(nats_server: NatsServer) -> None:
    most = now = 0

    async def answer(question: bytes) -> bytes:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return b""

    async with (
        connected(nats_server, RUNTIME_GUARDIAN) as guardian,
        connected(nats_server, FORENSIC_INVESTIGATOR) as investigator,
    ):
        await guardian.serve(SUBJECT, answer, concurrency=3)
        await asyncio.gather(*(investigator.ask(SUBJECT, b"?", timeout=5) for _ in range(20)))

    assert most == 3


async def test_an_agent_that_stops_still_gives_the_answers_it_was_asked_for(nats_server: NatsServer) -> None:
    asked = asyncio.Event()

    async def answer(question: bytes) -> bytes:
        asked.set()
        await asyncio.sleep(0.3)
        return b"done"

    async with connected(nats_server, FORENSIC_INVESTIGATOR) as investigator:
        async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
            await guardian.serve(SUBJECT, answer)
            asking = asyncio.create_task(investigator.ask(SUBJECT, b"?", timeout=5))
            await asked.wait()

        assert await asking == b"done"


async def test_a_question_waits_a_moment_for_an_agent_that_is_just_coming_back(
    nats_server: NatsServer,
) -> None:
    async with connected(nats_server, FORENSIC_INVESTIGATOR) as investigator:
        asking = asyncio.create_task(investigator.ask(SUBJECT, b"?", timeout=5))
        await asyncio.sleep(0.1)
        async with connected(nats_server, RUNTIME_GUARDIAN) as guardian:
            await guardian.serve(SUBJECT, echo)

            assert await asking == b"heard ?"
