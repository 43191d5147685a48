"""`firebreak explain ID`: why it was judged so, term by term."""

from argparse import ArgumentParser, Namespace

from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and which of its judgements."""
    parser.add_argument("incident", metavar="ID", help="the incident, as `firebreak incidents` shows it")
    parser.add_argument("--all", action="store_true", help="every judgement, not only the one that decided")
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Explain the judgement that decided what was done, or all of them."""
    import asyncio

    from signals.errors import Unavailable
    from workers.cli import explaining
    from workers.cli.ledger import Found, Ledger
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    target = resolve(options)

    async def read() -> Found:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        return await ledger.find(options.incident)

    found = asyncio.run(read())
    if not found.whole:
        raise Unavailable("No worker can tell now how it was judged: the explanation is in the workflow.")
    known = found.incident.decisions
    decisions = known if options.all else explaining.decisive(known)

    def table() -> None:
        screen = Screen()
        if not decisions:
            screen.say("Not judged yet. Ask again in a moment.")
        for decision in decisions:
            screen.say(f"Judgement {decision.revision}: {decision.title}", "bold")
            for line in explaining.terms(decision):
                screen.say(line.text, line.style, line.indent)
            screen.say(explaining.verdict(decision))
            screen.say(f"policy {decision.policy_digest}", "dim")
        if decisions and decisions[-1] is not known[-1]:
            screen.say(
                f"It was judged again, last as number {known[-1].revision}, and nothing more was asked for."
            )

    emit(options, [decision.model_dump(mode="json") for decision in decisions], table)
    return 0


VERB = Verb(name="explain", help="say why it was judged so, term by term", arguments=arguments, run=run)
