"""`firebreak stand-down ID`: stop responding to this incident, and put back what was done."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and why."""
    person.stack_arguments(parser)
    parser.add_argument("--reason", default="", help="kept with the incident")


def run(options: Namespace) -> int:
    """Stand down."""
    from signals import approvals

    return person.run(options, approvals.Verb.STAND_DOWN, person.about_stack(options))


VERB = Verb(
    name="stand_down", help="stop responding, and put back what was done", arguments=arguments, run=run
)
