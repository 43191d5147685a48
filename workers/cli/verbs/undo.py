"""`firebreak undo ID`: it was a false alarm; put everything back as it was."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident."""
    person.stack_arguments(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="remove our own marks even where somebody else changed the object",
    )
    parser.add_argument("--reason", default="", help="kept with the incident")


def run(options: Namespace) -> int:
    """Undo every action of one incident, newest first."""
    from signals import approvals

    what = person.about_stack(options, force=options.force)
    return person.run(options, approvals.Verb.UNDO, what)


VERB = Verb(name="undo", help="put everything back as it was", arguments=arguments, run=run)
