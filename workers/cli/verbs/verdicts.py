"""`firebreak verdicts`: how often each rule was right, by what people said of closed incidents."""

from argparse import ArgumentParser, Namespace

from workers.cli.operating import nats_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add where to ask."""
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """Print one row a rule, the least reliable first. Suggestions are never followed by themselves."""
    import asyncio

    from signals.verdicts import tallies
    from workers.cli import judging
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    judged = asyncio.run(judging.all_verdicts(options))
    found, screen = tallies(judged), Screen()

    def table() -> None:
        if not found:
            screen.say("Nobody has said what an incident was: `firebreak close ID --verdict …`.")
            return
        headings = ("detector", "rule", "true", "benign", "false", "drill", "suggestion")
        rows = [
            [one.detector, one.rule, *map(str, (one.true, one.benign, one.false, one.drill)), one.suggestion]
            for one in found
        ]
        screen.table(headings, rows, spare=("drill",))
        screen.say(f"from {len(judged)} incidents; `firebreak incidents --unjudged` lists the others", "dim")

    emit(options, [one.model_dump(mode="json") for one in found], table)
    return 0


VERB = Verb(name="verdicts", help="how often each rule was right", arguments=arguments, run=run)
