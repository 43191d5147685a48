"""`firebreak approve ID`, or `--group GROUP`: let the staged plan be carried out, exactly as it stands."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.target import temporal_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident and which plan."""
    person.decision_arguments(parser)
    temporal_arguments(parser)
    parser.add_argument("--reason", default="", help="kept with the incident")


def run(options: Namespace) -> int:
    """Approve what waits."""
    from signals import approvals
    from workers.cli.deciding import decide

    return decide(options, approvals.Verb.APPROVE)


VERB = Verb(name="approve", help="let the staged plan be carried out", arguments=arguments, run=run)
