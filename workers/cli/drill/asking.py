"""Asks the person at the terminal, without stopping anything that runs meanwhile."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from workers.cli.drill.board import Board

Ask = Callable[[str], Awaitable[bool]]
"""Asks yes or no."""


async def typed(prompt: str) -> str:
    """Return the line that a person types after a prompt; an empty one at the end of the input."""
    print(prompt, end="", flush=True)
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, read)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin)


async def person(question: str) -> bool:
    """Let the person decide; Enter is yes."""
    return (await typed(f"  {question} [Y/n] ")).strip().lower() in {"", "y", "yes"}


def script(board: Board) -> Ask:
    """Return how it is decided where nobody sits: yes, said aloud."""

    async def ask(question: str) -> bool:
        board.say(f"{question} [Y/n] y (the script says yes)", indent=2)
        return True

    return ask
