"""`firebreak watch [ID]`: follow all incidents, or one, until Ctrl-C."""

from argparse import ArgumentParser, Namespace

from workers.cli.durations import seconds
from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb, program


def arguments(parser: ArgumentParser) -> None:
    """Add what to follow, and when to stop."""
    parser.add_argument("incident", metavar="ID", nargs="?", help="only this one")
    parser.add_argument(
        "--until", metavar="STATE", help="end (exit code 0) when an incident is in this state"
    )
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="end (exit code 1) after 30s, 5m …")
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Follow until Ctrl-C, or until the state that is named."""
    import asyncio

    from signals.errors import BadInput, FirebreakError
    from signals.incidents import IncidentState
    from workers.cli.ledger import Ledger
    from workers.cli.screen import Screen
    from workers.cli.watching import Watch

    if options.until is not None and options.until not in list(IncidentState):
        raise BadInput(f"“{options.until}” is no state. States: {', '.join(IncidentState)}.")
    target, screen = resolve(options), Screen()

    async def follow() -> None:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        watch = Watch(ledger=ledger, incident=options.incident, until=options.until)
        async with asyncio.timeout(options.timeout):
            live = screen.live and options.output == "table"
            await (watch.live(program(options)) if live else watch.plainly(screen.say))

    try:
        asyncio.run(follow())
    except TimeoutError as error:
        raise FirebreakError(f"It did not come so far within {options.timeout} s.") from error
    except KeyboardInterrupt:
        if options.until is not None:
            raise
    return 0


VERB = Verb(name="watch", help="follow incidents live", arguments=arguments, run=run)
