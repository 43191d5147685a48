"""`firebreak notify`: asks the liaison, which alone holds the secrets of its channels."""

import asyncio
from argparse import Namespace

from pydantic import TypeAdapter

from signals.subjects import CHANNELS, LIAISON, service_subject
from signals.telling import ChannelState, Question
from workers.cli import operating
from workers.cli.output import emit
from workers.cli.screen import Screen

ANSWER_SECONDS = 30.0
"""How long a test may take: two pages, each with the channel's own deadline."""
HEADINGS = ("channel", "open", "is told", "why not")
_STATES = TypeAdapter(list[ChannelState])


async def _ask(options: Namespace, test: str = "") -> list[ChannelState]:
    question = Question(test=test).model_dump_json().encode()
    async with operating.operating(options) as bus:
        answer = await bus.ask(service_subject(LIAISON, CHANNELS), question, ANSWER_SECONDS)
    return _STATES.validate_json(answer)


def show_all(options: Namespace) -> int:
    """Show every channel; of one that is off, the settings that are missing."""
    found, screen = asyncio.run(_ask(options)), Screen()
    rows = [
        [
            one.name,
            "yes" if one.open else "no",
            one.options,
            f"needs {', '.join(one.missing)}" if one.missing else "",
        ]
        for one in found
    ]
    emit(options, [one.model_dump(mode="json") for one in found], lambda: screen.table(HEADINGS, rows))
    return 0


def test(options: Namespace) -> int:
    """Send a harmless page, and its end, to one channel; 1 if it did not take them."""
    (found,), screen = asyncio.run(_ask(options, options.channel)), Screen()
    came = "delivered" if found.delivered else "NOT delivered"
    emit(options, found.model_dump(mode="json"), lambda: screen.say(f"{found.name}: {came}: {found.said}"))
    return 0 if found.delivered else 1
