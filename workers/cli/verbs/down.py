"""`firebreak down`: stop the embedded servers and the agents. What they stored stays."""

from argparse import Namespace

from workers.cli.verb import Verb, no_arguments, state_dir


def run(options: Namespace) -> int:
    """Stop everything of the state folder."""
    from workers.cli.output import emit
    from workers.stack.ending import down

    root = state_dir(options)
    stopped = down(root)
    said = f"Stopped. What it stored stays in {root}." if stopped else f"No stack runs in {root}."
    emit(options, {"state_dir": str(root), "stopped": stopped}, lambda: print(said))
    return 0


VERB = Verb(name="down", help="stop the embedded servers and the agents", arguments=no_arguments, run=run)
