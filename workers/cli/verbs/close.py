"""`firebreak close ID`: the incident is over. What still stands must be undone or kept on purpose."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and what becomes of what stands."""
    person.incident_arguments(parser)
    stands = parser.add_mutually_exclusive_group()
    stands.add_argument("--undo", action="store_true", help="put everything back first")
    stands.add_argument("--keep", action="store_true", help="leave what stands until it expires")
    parser.add_argument("--reason", default="", help="kept with the incident")


def run(options: Namespace) -> int:
    """Close one incident."""
    from signals import approvals

    what = {
        "incident": options.incident,
        "undo": options.undo,
        "keep": options.keep,
        "reason": options.reason,
    }
    return person.run(options, approvals.Verb.CLOSE, what)


VERB = Verb(name="close", help="end an incident", arguments=arguments, run=run)
