"""`firebreak exceptions [end NAME]`: what is expected of workloads: by whom, until when, how often it was seen."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.operating import nats_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with which."""
    parser.add_argument("what", choices=("list", "end"), nargs="?", default="list", help="default: list")
    parser.add_argument("exception", metavar="NAME", nargs="?", help="end: which, as the list shows it")
    parser.add_argument("--all", action="store_true", dest="ended", help="list: those that have ended too")
    parser.add_argument("--reason", default="", help="end: kept with the command")
    person.speaker_arguments(parser)
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """List them, or end one."""
    from signals import approvals
    from signals.errors import BadInput
    from workers.cli import snoozing

    if options.what == "list":
        return snoozing.show(options)
    if not options.exception:
        raise BadInput("Say which: `firebreak exceptions end NAME`. `firebreak exceptions` lists them.")
    what = {"exception": options.exception, "reason": options.reason}
    return person.run(options, approvals.Verb.END_EXCEPTION, what)


VERB = Verb(name="exceptions", help="what is expected of workloads: list, end", arguments=arguments, run=run)
