"""`firebreak enrol NAMESPACE`: Firebreak may act in this namespace, in the mode that is named."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which namespace and mode."""
    parser.add_argument("namespace", metavar="NAMESPACE")
    parser.add_argument(
        "--mode",
        choices=("shadow", "approve", "auto"),
        default="shadow",
        help="shadow: only report · approve: ask first · auto: contain at once (default: shadow)",
    )
    person.speaker_arguments(parser, "lead")


def run(options: Namespace) -> int:
    """Enrol one namespace; returns when it is in effect."""
    from signals import approvals

    what = {"namespace": options.namespace, "mode": options.mode}
    return person.run(options, approvals.Verb.ENROL, what)


VERB = Verb(name="enrol", help="let Firebreak act in a namespace", arguments=arguments, run=run)
