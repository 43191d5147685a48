"""Dead letters on a real NATS: found, shown harmlessly, and put back exactly once; also what a consumer gave up."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from nats.js import api

from deploy.nats import provision
from signals.errors import BadInput, NotFound, Refused
from signals.letters import DeadLetter
from signals.subjects import (
    OPERATOR,
    ORCHESTRATOR,
    RUNTIME_GUARDIAN,
    dead_stream,
    feed_stream,
    feed_subject,
    threat_subject,
    threats_stream,
)
from tests.nats_server import NatsServer, connected, nats_server, serving
from workers import letters
from workers.bus import REPLAY_OF, Bus
from workers.cli import Exit, main
from workers.letters import Letters
from workers.stack import nats as embedded
from workers.stack.layout import Layout

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack

SUBJECT = threat_subject(RUNTIME_GUARDIAN, "shell")
FEED = feed_subject(RUNTIME_GUARDIAN, "falco")


async def buried(
    server: NatsServer, payload: bytes, came_on: str = SUBJECT, agent: str = ORCHESTRATOR
) -> str:
    """Bury something as an agent does; return its name."""
    async with connected(server, agent) as bus:
        headers = {"traceparent": "00-1", "Nats-Rollup": "all"}
        sequence = await bus.bury("threats.x", payload, "it is not signed", headers, came_on=came_on)
    return f"{agent}/{sequence}"


async def named(bus: Bus, name: str) -> DeadLetter:
    (found,) = [letter async for letter in Letters(bus).all() if letter.id == name]
    return found


async def stored(server: NatsServer, payload: bytes) -> list[dict[str, str]]:
    """Return the headers of every message of the guardian's threats with this payload."""
    async with connected(server, OPERATOR) as bus:
        stream = bus.oldest(threats_stream(RUNTIME_GUARDIAN), owner=RUNTIME_GUARDIAN)
        return [dict(one.headers) async for one in stream if one.data == payload]


async def test_a_letter_is_put_back_where_it_came_from_exactly_once_and_marked(
    nats_server: NatsServer,
) -> None:
    name = await buried(nats_server, b"put me back")
    async with connected(nats_server, OPERATOR) as bus:
        before = await named(bus, name)
        await Letters(bus).replay(name)
        with pytest.raises(Refused, match="was put back on"):
            await Letters(bus).replay(name)
        after = await named(bus, name)

    assert (before.reason, before.source, before.stream) == (
        "it is not signed",
        "threats.x",
        threats_stream(RUNTIME_GUARDIAN),
    )
    assert (before.replayed_at, after.replayed_at is None) == (None, False)
    (headers,) = await stored(nats_server, b"put me back")
    assert (headers[REPLAY_OF], headers["traceparent"]) == (name, "00-1")
    assert "Nats-Rollup" not in headers


async def test_it_is_put_back_once_more_only_when_somebody_says_so(nats_server: NatsServer) -> None:
    name = await buried(nats_server, b"twice")
    async with connected(nats_server, OPERATOR) as bus:
        await Letters(bus).replay(name)
        await Letters(bus).replay(name, again=True)

    assert len(await stored(nats_server, b"twice")) == 2


async def test_two_who_put_back_the_same_at_once_put_it_back_once(nats_server: NatsServer) -> None:
    name = await buried(nats_server, b"race")
    async with connected(nats_server, OPERATOR) as one, connected(nats_server, OPERATOR) as two:
        outcomes = await asyncio.gather(
            *(Letters(bus).replay(name) for bus in (one, two) for _ in range(3)), return_exceptions=True
        )

    assert any(isinstance(one, DeadLetter) for one in outcomes)
    assert len(await stored(nats_server, b"race")) == 1


@pytest.mark.parametrize("dies", ["before it is stored", "before that is noted"])
async def test_a_replay_that_was_cut_off_is_finished_and_doubles_nothing(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    payload = dies.encode()
    name = await buried(nats_server, payload)
    async with connected(nats_server, OPERATOR) as bus:
        with monkeypatch.context() as patched:
            dying = Letters(bus)

            async def die(*_: object, **__: object) -> None:
                raise KeyboardInterrupt

            if dies == "before it is stored":
                patched.setattr(bus, "append", die)
            else:
                patched.setattr(dying._replays, "update", die)
            with pytest.raises(KeyboardInterrupt):
                await dying.replay(name)
        assert (await named(bus, name)).replayed_at is None
        await Letters(bus).replay(name)

        assert (await named(bus, name)).replayed_at is not None
    assert len(await stored(nats_server, payload)) == 1


async def test_a_replay_of_which_nobody_knows_whether_it_was_stored_is_not_repeated_unasked(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await buried(nats_server, b"unsure")
    async with connected(nats_server, OPERATOR) as bus:
        with monkeypatch.context() as patched:

            async def die(*_: object, **__: object) -> None:
                raise KeyboardInterrupt

            patched.setattr(bus, "append", die)
            with pytest.raises(KeyboardInterrupt):
                await Letters(bus).replay(name)
        monkeypatch.setattr(letters, "SURE", timedelta(0))
        with pytest.raises(Refused, match="perhaps put back"):
            await Letters(bus).replay(name)


@pytest.mark.parametrize(
    "came_on",
    [
        "",
        "falco.notice",
        "firebreak.audit.orchestrator.entries",
        "firebreak.dead.orchestrator.x",
        "$JS.API.STREAM.PURGE.X",
        "firebreak.threats.runtime-guardian.>",
        "firebreak.threats.nobody.shell",
    ],
)
async def test_a_letter_that_came_from_no_stream_of_ours_goes_nowhere(
    nats_server: NatsServer, came_on: str
) -> None:
    name = await buried(nats_server, b"nowhere", came_on)
    async with connected(nats_server, OPERATOR) as bus:
        with pytest.raises(Refused, match="came from no stream"):
            await Letters(bus).replay(name)


@pytest.mark.parametrize(
    ("name", "error"),
    [("x", BadInput), ("a/b", BadInput), ("nobody/1", NotFound), (f"{ORCHESTRATOR}/99999", NotFound)],
)
async def test_what_names_no_letter_is_said_to_be_so(
    nats_server: NatsServer, name: str, error: type[Exception]
) -> None:
    async with connected(nats_server, OPERATOR) as bus:
        with pytest.raises(error, match="firebreak deadletters list"):
            await Letters(bus).show(name)


async def test_what_a_consumer_gave_up_is_a_dead_letter_and_can_be_put_back(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        await provision(server.url, server.pki)
        async with connected(server, f"provisioner-{RUNTIME_GUARDIAN}") as installer:
            js = installer._client.jetstream(timeout=5)
            given = {
                "ack_wait": 4.0,
                "max_ack_pending": 5000,
                "max_deliver": 2,
                "ack_policy": api.AckPolicy.EXPLICIT,
            }
            config = api.ConsumerConfig(durable_name=RUNTIME_GUARDIAN, **given)
            await js.add_consumer(feed_stream(RUNTIME_GUARDIAN), config)
        async with connected(server, RUNTIME_GUARDIAN) as guardian, connected(server, OPERATOR) as operator:
            await guardian.append(FEED, b"poison")
            refused = 0
            stream = guardian.consume(feed_stream(RUNTIME_GUARDIAN), RUNTIME_GUARDIAN, wait_seconds=0.5)
            async for batch in stream:
                for message in batch:
                    refused += 1
                    await message.nak(0.05)
                if refused == 2 and not batch:
                    break
            found: list[DeadLetter] = []
            for _ in range(50):
                found = [letter async for letter in Letters(operator).all()]
                if found:
                    break
                await asyncio.sleep(0.1)
            (letter,) = found
            shown = await Letters(operator).show(letter.id)
            await Letters(operator).replay(letter.id)
            again = await guardian.last(feed_stream(RUNTIME_GUARDIAN))

    assert letter.source == "given up"
    assert (
        "message 1 of FEED_runtime-guardian was given up for runtime-guardian after 2 deliveries"
        in letter.reason
    )
    assert (shown.payload, shown.letter.stream, shown.letter.place) == ("poison", "FEED_runtime-guardian", 1)
    assert again is not None
    assert (again.data, again.headers[REPLAY_OF]) == (b"poison", letter.id)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def firebreak(nats_server: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line against this server."""

    def run(*arguments: str) -> tuple[int, str, str]:
        where = ("--nats", nats_server.url, "--nats-dir", str(nats_server.pki), "--state", str(tmp_path))
        code = main([*arguments, *where])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_hostile_content_steers_no_terminal(nats_server: NatsServer, firebreak: Run) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J [bold]\u202ereversed\r\nsecond line \x9b31m".encode() + b"\xff\x00"
    name = asyncio.run(buried(nats_server, hostile))

    for command in (("show", name), ("list",), ("show", name, "-o", "json"), ("list", "-o", "json")):
        code, out, _ = firebreak("deadletters", *command)
        assert code == Exit.DONE
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\x00", "\r"} & set(out)
    payload = json.loads(firebreak("deadletters", "show", name, "-o", "json")[1])["payload"]
    assert payload == hostile.decode("utf-8", "replace")


def test_the_command_line_puts_back_and_says_what_it_refuses(nats_server: NatsServer, firebreak: Run) -> None:
    name = asyncio.run(buried(nats_server, b"by hand"))

    code, out, err = firebreak("deadletters", "replay", name)
    assert (code, f"{name} is back in {threats_stream(RUNTIME_GUARDIAN)}" in out) == (Exit.DONE, True), err
    assert "not on the audit record" in err  # this folder has no key of the operator
    code, _, err = firebreak("deadletters", "replay", name)
    assert (code, "--again" in err) == (Exit.REFUSED, True)
    assert firebreak("deadletters", "replay")[0] == Exit.WRONG_USE
    assert len(asyncio.run(stored(nats_server, b"by hand"))) == 1


def test_the_status_counts_dead_letters_where_nats_answers(nats_server: NatsServer, tmp_path: Path) -> None:
    asyncio.run(buried(nats_server, b"counted"))
    layout = Layout(tmp_path)
    layout.make()
    assert embedded.dead_letters(layout) is None
    layout.nats_configuration.write_bytes(nats_server.configuration.read_bytes())
    counts = embedded.dead_letters(layout)

    assert counts is not None
    assert counts[ORCHESTRATOR] >= 1
    assert dead_stream(ORCHESTRATOR).removeprefix("DEAD_") == ORCHESTRATOR
