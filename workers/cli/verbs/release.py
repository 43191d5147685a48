"""`firebreak release CASE | --all`: undo from what stands in the cluster alone, with everything else dead."""

from argparse import ArgumentParser, Namespace

from workers.cli.target import cluster_arguments, cluster_only
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which case, and which cluster."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("case", metavar="CASE", nargs="?", help="the incident, as its label on objects says")
    which.add_argument("--all", action="store_true", help="everything of ours in the cluster")
    cluster_arguments(parser)


def run(options: Namespace) -> int:
    """Release one case, or all; needs neither Temporal nor NATS nor agents."""
    import asyncio

    from activities.release import release

    from workers.cli.clusters import connected

    target = cluster_only(options)

    async def act() -> None:
        async with connected(target.administrator()) as cluster:
            await release(cluster, options.case)

    asyncio.run(act())
    return 0


VERB = Verb(name="release", help="undo from the cluster alone, all else dead", arguments=arguments, run=run)
