"""`firebreak resume`: lift the stop that holds. It takes two different people."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli import person
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from workers.cli.speaking import Said


def arguments(parser: ArgumentParser) -> None:
    """Add why, and who speaks."""
    parser.add_argument("--reason", default="", help="told to everybody who is paged")
    person.speaker_arguments(parser)


def run(options: Namespace) -> int:
    """Say resume, about the stop that holds now."""
    import asyncio

    return person.conclude(options, asyncio.run(_resume(options)))


async def _resume(options: Namespace) -> "Said":
    from signals import approvals
    from signals.errors import Refused
    from workers.cli import halting
    from workers.cli.target import cluster_only

    target = cluster_only(options)
    stop = await halting.standing(target, options.person)
    if stop is None:
        raise Refused("Firebreak is not stopped.")
    what = {"stop": stop.uid, "reason": options.reason}
    return await person.speak(target, approvals.Verb.RESUME, what, options.person, options.name)


VERB = Verb(name="resume", help="lift a stop; it takes two people", arguments=arguments, run=run)
