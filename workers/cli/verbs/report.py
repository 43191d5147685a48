"""`firebreak report ID`: one incident as a page that can be read on a phone, printed, and attached to a ticket."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add which incident, and where the report goes."""
    parser.add_argument("incident", metavar="ID", help="the incident, as `firebreak incidents` shows it")
    parser.add_argument(
        "--to",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="the folder for ID.html and ID.json (default: here); with -o json nothing is written to it",
    )
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Write the report of one incident."""
    import asyncio
    from datetime import UTC, datetime

    from activities.reporting.page import document, render
    from signals.errors import BadInput, Unavailable
    from signals.report import report
    from workers.cli.ledger import Found, Ledger
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    target, folder = resolve(options), options.to
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")

    async def read() -> Found:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        return await ledger.find(options.incident)

    found = asyncio.run(read())
    if not found.whole:
        raise Unavailable("No worker can tell the whole story now: the report is made of the workflow.")
    told = report(found.incident, datetime.now(UTC))

    def table() -> None:
        name, screen = found.incident.summary.id, Screen()
        for suffix, text in (("html", render(told)), ("json", document(told))):
            path = folder / f"{name}.{suffix}"
            path.write_text(text, encoding="utf-8")
            screen.say(str(path))

    emit(options, told.model_dump(mode="json"), table)
    return 0


VERB = Verb(
    name="report",
    help="write one incident as a page to read, print and attach, and as JSON",
    arguments=arguments,
    run=run,
)
