"""`firebreak release CASE | --all`: undo from what stands in the cluster alone, with everything else dead."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from signals.subjects import BREAK_GLASS_GROUP
from workers.cli.target import cluster_arguments, cluster_only
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which case, and which cluster."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("case", metavar="CASE", nargs="?", help="the incident, as its label on objects says")
    which.add_argument("--all", action="store_true", help="everything of ours in the cluster")
    parser.add_argument(
        "--break-glass",
        action="store_true",
        help=f"speak as a member of {BREAK_GLASS_GROUP}, by impersonation, as the containment lock demands",
    )
    cluster_arguments(parser)


def run(options: Namespace) -> int:
    """Release one case, or all; needs neither Temporal nor NATS nor agents."""
    import asyncio

    from activities.release import Released, release
    from workers.cli.clusters import connected
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    target = cluster_only(options)
    group = BREAK_GLASS_GROUP if options.break_glass else None

    async def act() -> tuple[Released, ...]:
        async with connected(target.administrator(), group=group) as cluster:
            return await release(cluster, options.case)

    released = asyncio.run(act())

    def table() -> None:
        screen = Screen()
        rows = [(one.case, "yes" if one.done else "NO", one.write or "-", one.note) for one in released]
        if rows:
            screen.table(("case", "put back", "write", "note"), rows)
        else:
            screen.say(f"Nothing of {options.case or 'ours'} stands in this cluster.")

    emit(options, [asdict(one) for one in released], table)
    return 0 if all(one.done for one in released) else 1


VERB = Verb(name="release", help="undo from the cluster alone, all else dead", arguments=arguments, run=run)
