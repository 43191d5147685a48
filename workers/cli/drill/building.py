"""Tells how far a start or a build has come: one moving line on a terminal, a line now and then in a pipe."""

import time
from types import TracebackType
from typing import Self

from rich.live import Live

from workers.cli.drill.board import Board
from workers.cli.screen import harmless
from workers.cli.words import span
from workers.stack.progress import Progress

PLAIN_SECONDS = 20.0
"""Seconds between two lines of one phase in a pipe."""


class Telling:
    """Hears of progress and shows it, until it is over."""

    def __init__(self, board: Board) -> None:
        """Show on this board."""
        self._board = board
        self._live: Live | None = None
        self._phase = ""
        self._told = 0.0
        self.muted = False

    def __enter__(self) -> Self:
        """Begin; nothing is shown before there is progress."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the moving line away."""
        self.over()

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        if self._board.silent or self.muted:
            return
        if self._board.screen.live:
            self._moving().update(harmless(line(progress), "dim"), refresh=True)
            return
        now = time.monotonic()
        if progress.phase != self._phase or now - self._told > PLAIN_SECONDS:
            self._phase, self._told = progress.phase, now
            self._board.say(line(progress), "dim")

    def over(self) -> None:
        """Show no moving line any more."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _moving(self) -> Live:
        if self._live is None:
            self._live = Live(console=self._board.screen.console, auto_refresh=False, transient=True)
            self._live.start()
        return self._live


def line(progress: Progress) -> str:
    """Return one step as a line: what, since when, of about how long."""
    left = progress.estimate is not None and progress.estimate > progress.elapsed
    whole = f" of about {span(progress.estimate)}" if progress.estimate and left else ""
    return f"{progress.phase}: {span(progress.elapsed)}{whole}"
