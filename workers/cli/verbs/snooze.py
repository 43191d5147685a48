"""`firebreak snooze ID --for 7d`: what this incident saw is expected: nothing is done for a while."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.durations import seconds
from workers.cli.target import temporal_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, for how long, why, and what of it."""
    parser.add_argument("incident", metavar="ID", help="the incident that saw it")
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=seconds,
        required=True,
        help="how long: 12h, 7d, 30d at most",
    )
    parser.add_argument("--reason", required=True, help="shown wherever nothing was done because of it")
    parser.add_argument("--rule", help="which rule, where the incident saw several")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--workload", metavar="KIND/NAME", help="whose, where it was several workloads")
    whose.add_argument("--image", help="of every pod with this image in that namespace")
    person.speaker_arguments(parser, "lead")
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Make the exception; it holds when this returns."""
    from workers.cli import snoozing

    return snoozing.snooze(options)


VERB = Verb(name="snooze", help="expect a rule of a workload for a while", arguments=arguments, run=run)
