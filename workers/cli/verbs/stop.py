"""`firebreak stop`: nothing new is written until two people resume. What stands, stands, and can be undone."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add why, and who speaks."""
    parser.add_argument("--reason", default="", help="told to everybody who is paged")
    person.speaker_arguments(parser)


def run(options: Namespace) -> int:
    """Stop; returns when the executor has heard it."""
    from signals import approvals

    return person.run(options, approvals.Verb.STOP, {"reason": options.reason})


VERB = Verb(name="stop", help="write nothing new until two people resume", arguments=arguments, run=run)
