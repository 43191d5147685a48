"""`firebreak unenrol NAMESPACE`: Firebreak may not act in this namespace any more."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which namespace."""
    parser.add_argument("namespace", metavar="NAMESPACE")
    person.speaker_arguments(parser, "lead")


def run(options: Namespace) -> int:
    """Take one namespace's enrolment back; returns when it is in effect."""
    from signals import approvals

    return person.run(options, approvals.Verb.UNENROL, {"namespace": options.namespace})


VERB = Verb(name="unenrol", help="take a namespace's enrolment back", arguments=arguments, run=run)
