"""`firebreak notify list | test CHANNEL`: by which ways people can be reached, and whether one works."""

from argparse import ArgumentParser, Namespace

from workers.cli.operating import nats_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with which channel."""
    parser.add_argument(
        "what",
        choices=("list", "test"),
        help="list: every channel, what it is told, and why it is off; test: send one a harmless page",
    )
    parser.add_argument("channel", metavar="CHANNEL", nargs="?", help="test: which, as `list` shows")
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """List or test."""
    from signals.errors import BadInput
    from workers.cli import reaching_people

    if options.what == "list":
        return reaching_people.show_all(options)
    if not options.channel:
        raise BadInput("Say which: `firebreak notify test CHANNEL`; `firebreak notify list` shows them.")
    return reaching_people.test(options)


VERB = Verb(
    name="notify",
    help="by which ways people can be reached, and whether one works: list, test",
    arguments=arguments,
    run=run,
)
