"""`firebreak deadletters`: what it shows, and what it puts back. All of the content is whatever a sender wrote."""

import asyncio
from argparse import Namespace
from datetime import UTC, datetime

from signals.audit import Kind
from signals.letters import DeadLetter, Letter
from workers.cli import operating
from workers.cli.output import emit
from workers.cli.screen import Screen
from workers.cli.verb import program
from workers.cli.words import relative
from workers.letters import Letters

HEADINGS = ("id", "age", "source", "bytes", "replayed", "reason")


def show_all(options: Namespace) -> int:
    """List all of them."""

    async def read() -> list[DeadLetter]:
        async with operating.operating(options) as bus:
            return [letter async for letter in Letters(bus).all()]

    found, screen = asyncio.run(read()), Screen()

    def table() -> None:
        if not found:
            screen.say("There are no dead letters.")
            return
        now = datetime.now(UTC)
        screen.table(HEADINGS, [_row(letter, now) for letter in found], spare=("bytes", "age"))

    emit(options, [letter.model_dump(mode="json") for letter in found], table)
    return 0


def _row(letter: DeadLetter, now: datetime) -> list[str]:
    replayed = relative(letter.replayed_at, now) if letter.replayed_at else ""
    return [letter.id, relative(letter.at, now), letter.source, str(letter.size), replayed, letter.reason]


def show(options: Namespace) -> int:
    """Show one with its content."""

    async def read() -> Letter:
        async with operating.operating(options) as bus:
            return await Letters(bus).show(options.id)

    found, screen = asyncio.run(read()), Screen()

    def table() -> None:
        letter = found.letter
        screen.say(f"{letter.id}: {letter.reason}", "bold")
        screen.say(f"{letter.source}, {letter.at:%Y-%m-%d %H:%M:%S} UTC, {letter.size} bytes")
        for name, value in found.headers.items():
            screen.say(f"{name}: {value}", "dim", 2)
        screen.say()
        for line in found.payload.splitlines() or [""]:
            screen.say(line, indent=2)
        screen.say()
        where = f"`{program(options)} deadletters replay {letter.id}` puts it back into {letter.stream}."
        screen.say(where if letter.stream else "It came from no stream: send it to the receiver again.")

    emit(options, found.model_dump(mode="json"), table)
    return 0


def replay(options: Namespace) -> int:
    """Put one back."""

    async def put_back() -> DeadLetter:
        async with operating.operating(options) as bus:
            letter = await Letters(bus).replay(options.id, again=options.again)
            await operating.record(options, bus, Kind.REPLAY, {"letter": letter.id, "stream": letter.stream})
            return letter

    letter, screen = asyncio.run(put_back()), Screen()
    emit(
        options,
        letter.model_dump(mode="json"),
        lambda: screen.say(f"{letter.id} is back in {letter.stream}."),
    )
    return 0
