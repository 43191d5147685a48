"""The one door to the terminal: every string that is shown passes through it and comes out harmless.

Alerts carry what an attacker wrote. Nothing here interprets it: no markup, no control or bidirectional
characters, no links.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from signals.display import terminal

LIMIT = 2000
"""Longest line that is shown, in characters."""
UNBOUNDED = 10_000
"""Width of what goes into a pipe: nothing is wrapped or cut there."""
GAP = 2
"""Columns between two columns of a table."""
LAST_COLUMN = 40
"""Columns that the last column of a table keeps before others are left out."""


@dataclass(frozen=True)
class Line:
    """One line for a person: text, how it looks, and how far it stands in."""

    text: str
    style: str = ""
    indent: int = 2


@dataclass(frozen=True)
class Section:
    """A heading and the lines below it."""

    title: str
    lines: tuple[Line, ...]


def harmless(text: str, style: str = "", limit: int = LIMIT) -> Text:
    """Return text that cannot steer the terminal."""
    return Text(terminal(text, limit), style=style)


class Screen:
    """Writes to a terminal, or plainly to a pipe."""

    def __init__(self, stream: TextIO | None = None, width: int | None = None) -> None:
        """Write to `stream` (standard output); `width` in columns is found out when not given."""
        self.console = Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
        self.live = self.console.is_terminal
        if width or not self.live:
            self.console.width = width or UNBOUNDED

    def say(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """Print one line; long ones wrap under their own beginning."""
        self.console.print(self.line(Line(text, style, indent)) if text else "")

    def line(self, line: Line) -> Padding:
        """Return one line as rich shows it."""
        return Padding(harmless(line.text, line.style), (0, 0, 0, line.indent), expand=False)

    def sections(self, sections: Sequence[Section]) -> None:
        """Print sections in order; those without lines are left out."""
        for section in sections:
            if section.lines:
                self.say()
                self.say(section.title.upper(), "bold")
                for line in section.lines:
                    self.say(line.text, line.style, line.indent)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], spare: Sequence[str] = ()
    ) -> None:
        """Print rows under headings; see `grid`."""
        self.console.print(self.grid(columns, rows, spare))

    def grid(
        self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], spare: Sequence[str] = ()
    ) -> Table:
        """Return rows under headings as rich shows them.

        In a narrow terminal columns without a cell and `spare` ones are left out, first named first; then the
        last column gives way.
        """
        cells = [
            [cell if isinstance(cell, Text) else harmless(cell, limit=200) for cell in row] for row in rows
        ]
        widths = [
            max([len(column), *(row[place].cell_len for row in cells)])
            for place, column in enumerate(columns)
        ]
        empty = [column for place, column in enumerate(columns) if not any(row[place].plain for row in cells)]
        shown = _fitting(columns, widths, [*empty, *spare], self.console.width)
        left = self.console.width - sum(widths[place] + GAP for place in shown[:-1])
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for place in shown:
            width = max(8, min(left, widths[place])) if place == shown[-1] else widths[place]
            table.add_column(columns[place].upper(), no_wrap=True, overflow="ellipsis", width=width)
        for row in cells:
            table.add_row(*(row[place] for place in shown))
        return table


def _fitting(columns: Sequence[str], widths: Sequence[int], spare: Sequence[str], room: int) -> list[int]:
    shown = list(range(len(columns)))
    for name in spare:
        needed = sum(widths[place] + GAP for place in shown[:-1]) + min(widths[-1], LAST_COLUMN)
        if needed <= room:
            break
        shown.remove(columns.index(name))
    return shown
