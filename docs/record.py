"""Records what a terminal shows, from a real run, for the README and the tutorial: `python -m docs.record`.

It starts a stack on the real servers, in the folder that FIREBREAK_STATE names, plays two scenarios, and writes
what the commands print as SVG. Nothing is posed.
"""

import asyncio
import io
import logging
from datetime import UTC, datetime
from pathlib import Path

from rich.terminal_theme import TerminalTheme

from signals.incidents import IncidentState
from workers import settings
from workers.cli import explaining, rows, story
from workers.cli.drill import asking, run
from workers.cli.drill.board import Board
from workers.cli.ledger import Ledger
from workers.cli.screen import Screen
from workers.stack.progress import unheard
from workers.stack.state import Status

PICTURES = Path(__file__).parent / "pictures"
COLUMNS = 100
THEME = TerminalTheme(
    (22, 24, 29),
    (216, 218, 223),
    [
        *((22, 24, 29), (255, 107, 107), (107, 214, 138), (232, 195, 92)),
        *((107, 168, 255), (214, 138, 240), (95, 215, 224), (216, 218, 223)),
    ],
)
"""Light on dark: readable on a page of either kind."""
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own format fetches a font from elsewhere; this one does with those that are there."""


class Recording:
    """A screen of fixed width that remembers what was printed on it."""

    def __init__(self, command: str) -> None:
        """Begin with the command that a person types."""
        self.screen = Screen(io.StringIO(), COLUMNS)
        self.screen.console.record = True
        self.type(command)

    def type(self, command: str) -> None:
        """Show a command as it is typed."""
        self.screen.say(f"$ {command}", "bold")

    def save(self, name: str, title: str) -> None:
        """Write what was printed as SVG."""
        self.screen.say()  # what hangs below the last line would be cut
        text = self.screen.console.export_svg(title=title, theme=THEME, code_format=FORMAT, unique_id=name)
        lines = (line.rstrip() for line in text.splitlines())
        (PICTURES / f"{name}.svg").write_text("\n".join(lines) + "\n")


async def drill(status: Status) -> None:
    """Record a whole drill: the attack, the response, the undo."""
    recording = Recording("firebreak drill reverse-shell")
    board = Board(recording.screen)
    outcomes = await run.perform(status, board, run.chosen("reverse-shell"), asking.script(board))
    if not all(outcome.passed for outcome in outcomes):
        raise SystemExit("the drill did not end as it says: nothing is recorded")
    recording.save("drill", "a reverse shell is contained and undone")


async def reading(status: Status) -> None:
    """Record what an on-call engineer reads of an incident that stands."""

    async def leave(_: str) -> bool:
        return False

    board = Board(Screen(io.StringIO(), COLUMNS))
    await run.perform(status, board, run.chosen("suspicious-egress"), leave)
    ledger = await Ledger.connect(status.endpoints.temporal or "", "default")
    summaries, now = await ledger.summaries(), datetime.now(UTC)
    opened = next(one for one in summaries if one.state is not IncidentState.CLOSED)
    incident = (await ledger.find(opened.id)).incident

    recording = Recording("firebreak incidents")
    recording.screen.table(rows.INCIDENTS, rows.incidents(summaries, now), rows.SPARE)
    recording.screen.say(story.totals(summaries), "dim")
    recording.screen.say()
    recording.type(f"firebreak describe {opened.id}")
    for line in story.headline(opened, now):
        recording.screen.say(line.text, line.style, line.indent)
    recording.screen.sections(story.tell(incident, now))
    recording.screen.say()
    recording.type(f"firebreak explain {opened.id}")
    for decision in explaining.decisive(incident.decisions):
        recording.screen.say(f"Judgement {decision.revision}: {decision.title}", "bold")
        for line in explaining.terms(decision):
            recording.screen.say(line.text, line.style, line.indent)
        recording.screen.say(explaining.verdict(decision))
    recording.save("describe", "the list, the story and the reasons")


async def record(root: Path) -> None:
    """Record everything, on a stack in this folder."""
    async with run.own_stack(root, "kubernetes", unheard) as status:
        await drill(status)
        await reading(status)


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # libraries' logs are no part of it
    asyncio.run(record(settings.state_dir()))
