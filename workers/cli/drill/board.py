"""How a drill is told: in three columns what happened, what it means, what waits for you."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.rule import Rule
from rich.table import Table

from workers.cli.screen import GAP, Screen, harmless

COLUMNS = ("What happened", "What it means", "What waits for you")
PLAIN_WIDTH = 150
"""Columns of a drill that is not on a terminal."""


@dataclass(frozen=True)
class Check:
    """One thing that the drill claims, looked at on the servers."""

    what: str
    passed: bool
    detail: str = ""


@dataclass
class Board:
    """Tells a drill as it goes; silent where only the results are wanted."""

    screen: Screen
    silent: bool = False
    checks: list[Check] = field(default_factory=list)

    @classmethod
    def of(cls, options: Namespace) -> "Board":
        """Return the board that the options ask for."""
        screen = Screen()
        if not screen.live:
            screen = Screen(width=PLAIN_WIDTH)
        return cls(screen, silent=options.output != "table")

    def title(self, text: str) -> None:
        """Begin something."""
        if not self.silent:
            self.screen.say()
            self.screen.console.print(Rule(harmless(text, "bold"), align="left"))
            self._row(COLUMNS, ("bold", "bold", "bold"))

    def tell(self, happened: str, means: str = "", waits: str = "") -> None:
        """Tell one step. A command that its column would break, so that nobody can copy it, gets its own line."""
        if self.silent:
            return
        room = self.screen.console.width // len(COLUMNS) - GAP
        broken = "firebreak " in waits and len(waits) > room
        self.screen.say()
        self._row((happened, means, "" if broken else waits), ("", "dim", "cyan"))
        if broken:
            self.say(waits, "cyan", indent=4)

    def say(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """Tell something outside of the columns."""
        if not self.silent:
            self.screen.say(text, style, indent)

    def claim(self, what: str, passed: bool, detail: str = "") -> None:
        """Keep and show whether something is as it should be."""
        self.checks.append(Check(what, passed, detail))
        mark, style = ("✔", "green") if passed else ("✘", "bold red")
        self.say(f"{mark} {what}{f': {detail}' if detail else ''}", style, indent=2)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Claim that something is what was said beforehand."""
        detail = "" if found == wanted else f"it is {found}"
        self.claim(f"{what} is {wanted}", found == wanted, detail)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show on a terminal that something takes time."""
        if self.silent or not self.screen.live:
            yield
            return
        with self.screen.console.status(harmless(what, "dim")):
            yield

    def _row(self, cells: tuple[str, ...], styles: tuple[str, ...]) -> None:
        grid = Table.grid(padding=(0, GAP, 0, 0), expand=True)
        for _ in cells:
            grid.add_column(ratio=1, overflow="fold")
        grid.add_row(*(harmless(cell, style) for cell, style in zip(cells, styles, strict=True)))
        self.screen.console.print(grid)
