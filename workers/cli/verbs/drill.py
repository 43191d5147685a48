"""`firebreak drill [SCENARIO | all]`: play a recorded attack through everything, and check what is shown."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which scenario, and where."""
    parser.add_argument(
        "scenario",
        nargs="?",
        default="reverse-shell",
        metavar="SCENARIO",
        help="reverse-shell (default), suspicious-egress, debug-shell, token-theft, edited-meanwhile,"
        " killed-in-the-middle, storm, or all",
    )
    parser.add_argument(
        "--cluster",
        choices=("kubernetes", "memory", "node"),
        help="where no stack runs: what kind to start for the drill (default: kubernetes)",
    )
    parser.add_argument("--yes", action="store_true", help="decide by script also at a terminal")


def run(options: Namespace) -> int:
    """Play, and say whether each scenario ended as it says."""
    import asyncio

    from workers.cli.drill import asking
    from workers.cli.drill import run as drill
    from workers.cli.drill.board import Board
    from workers.cli.drill.building import Telling
    from workers.cli.output import emit

    wanted, board = drill.chosen(options.scenario), Board.of(options)
    ask = asking.person if drill.attended(options) else asking.script(board)

    async def play(root: Path) -> list[drill.Outcome]:
        with Telling(board) as heard:
            async with drill.running_stack(options, root, heard) as status:
                heard.over()
                return await drill.perform(status, board, wanted, ask)

    with drill.folder(None) as root:
        outcomes = asyncio.run(play(root))
    emit(options, [outcome.document() for outcome in outcomes], lambda: None)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


VERB = Verb(name="drill", help="play a recorded attack and check the response", arguments=arguments, run=run)
