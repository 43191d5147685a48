"""`firebreak extend ID --for 4h`: the containment stays longer."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.durations import seconds
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and how much longer."""
    person.stack_arguments(parser)
    parser.add_argument(
        "--for", dest="seconds", type=seconds, default="4h", metavar="TIME", help="default: 4h"
    )
    parser.add_argument("--reason", default="", help="kept with the incident")


def run(options: Namespace) -> int:
    """Extend every action of one incident."""
    from signals import approvals

    what = person.about_stack(options, seconds=options.seconds)
    return person.run(options, approvals.Verb.EXTEND, what)


VERB = Verb(name="extend", help="let the containment stand longer", arguments=arguments, run=run)
