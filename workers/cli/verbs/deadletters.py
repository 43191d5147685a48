"""`firebreak deadletters list | show ID | replay ID`: what agents could not handle, and putting it back."""

from argparse import ArgumentParser, Namespace

from workers.cli.operating import nats_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with which."""
    parser.add_argument(
        "what",
        choices=("list", "show", "replay"),
        help="list: all; show: one with its content; replay: put one back into the stream that it came from",
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="show, replay: which, as AGENT/NUMBER")
    parser.add_argument("--again", action="store_true", help="replay: although it was put back before")
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """List, show or replay."""
    from signals.errors import BadInput
    from workers.cli import lettering

    if options.what == "list":
        return lettering.show_all(options)
    if not options.id:
        raise BadInput(f"Say which: `firebreak deadletters {options.what} AGENT/NUMBER`.")
    return lettering.show(options) if options.what == "show" else lettering.replay(options)


VERB = Verb(
    name="deadletters",
    help="what agents could not handle: list, show, replay",
    arguments=arguments,
    run=run,
)
