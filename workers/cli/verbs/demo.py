"""`firebreak demo`: a first look. Starts everything, plays all scenarios, and shows where to look further."""

from argparse import ArgumentParser, Namespace

from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add how to decide."""
    parser.add_argument(
        "--cluster",
        choices=("kubernetes", "node"),
        default="kubernetes",
        help="node: with a real node, so that pods run (Linux, root; default: kubernetes)",
    )
    parser.add_argument("--yes", action="store_true", help="decide by script also at a terminal")


def run(options: Namespace) -> int:
    """Play everything from nothing."""
    import asyncio

    from workers.cli.drill.demo import Demo
    from workers.cli.drill.run import folder
    from workers.cli.output import emit

    with folder(options.state) as root:
        outcomes = asyncio.run(Demo(options).run(root))
    emit(options, [outcome.document() for outcome in outcomes], lambda: None)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


VERB = Verb(name="demo", help="start everything and play all scenarios", arguments=arguments, run=run)
