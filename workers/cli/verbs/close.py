"""`firebreak close ID`: the incident is over. What still stands must be undone or kept on purpose."""

from argparse import ArgumentParser, Namespace

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, what becomes of what stands, and what it was."""
    person.stack_arguments(parser)
    stands = parser.add_mutually_exclusive_group()
    stands.add_argument("--undo", action="store_true", help="put everything back first")
    stands.add_argument("--keep", action="store_true", help="leave what stands until it expires")
    person.verdict_arguments(parser)


def run(options: Namespace) -> int:
    """Close one incident; at a terminal, ask what it was if nobody said."""
    from signals import approvals
    from workers.cli import judging

    what = {
        **person.about_stack(options, undo=options.undo, keep=options.keep),
        **judging.said(options.verdict or judging.asked(options)),
    }
    return person.run(options, approvals.Verb.CLOSE, what)


VERB = Verb(name="close", help="end an incident, and say what it was", arguments=arguments, run=run)
