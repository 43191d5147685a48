"""`firebreak judge ID --verdict …`: what an incident was, said after it was closed, or said anew."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and what it was."""
    person.incident_arguments(parser)
    person.verdict_arguments(parser, required=True)


def run(options: Namespace) -> int:
    """Keep the verdict; an earlier one of the same incident gives way."""
    from signals import approvals

    what = {"incident": options.incident, "verdict": options.verdict, "reason": options.reason}
    return person.run(options, approvals.Verb.JUDGE, what)


VERB = Verb(name="judge", help="say what a closed incident was", arguments=arguments, run=run)
