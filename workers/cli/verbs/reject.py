"""`firebreak reject ID --reason R`, or `--group GROUP`: the staged plan is not carried out."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.target import temporal_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, which plan and why not."""
    person.decision_arguments(parser)
    temporal_arguments(parser)
    parser.add_argument("--reason", required=True, help="kept with the incident")


def run(options: Namespace) -> int:
    """Reject what waits."""
    from signals import approvals
    from workers.cli.deciding import decide

    return decide(options, approvals.Verb.REJECT)


VERB = Verb(name="reject", help="turn the staged plan down", arguments=arguments, run=run)
