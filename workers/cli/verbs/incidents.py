"""`firebreak incidents`: what happened, newest first, in one line each."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli.operating import nats_arguments
from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from signals.incidents import Summary


def arguments(parser: ArgumentParser) -> None:
    """Add the filters."""
    parser.add_argument(
        "--open", action="store_true", dest="only_open", help="only those that are not closed"
    )
    parser.add_argument("--namespace", "-n", metavar="NAME", default="", help="only of this namespace")
    parser.add_argument("--tier", type=int, choices=(1, 2, 3, 4), help="only of this tier")
    parser.add_argument(
        "--unjudged", action="store_true", help="only closed ones of which nobody said what they were"
    )
    temporal_arguments(parser)
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """List incidents, open and closed."""
    import asyncio
    from datetime import UTC, datetime

    from workers.cli import judging, rows, story
    from workers.cli.ledger import Ledger, is_open
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    target = resolve(options)

    async def read() -> list["Summary"]:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        return [
            summary
            for summary in await ledger.summaries(options.namespace)
            if (not options.only_open or is_open(summary)) and options.tier in {None, summary.tier}
        ]

    found = asyncio.run(read())
    if options.unjudged:
        judged = {one.incident for one in asyncio.run(judging.all_verdicts(options))}
        found = [one for one in found if not is_open(one) and not one.verdict and one.id not in judged]

    def table() -> None:
        screen = Screen()
        if found:
            screen.table(rows.INCIDENTS, rows.incidents(found, datetime.now(UTC)), rows.SPARE)
        if screen.live or not found:
            screen.say(story.totals(found), "dim")

    emit(options, [summary.model_dump(mode="json") for summary in found], table)
    return 0


VERB = Verb(name="incidents", help="list incidents, newest first", arguments=arguments, run=run)
