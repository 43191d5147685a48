"""`firebreak describe ID`: one incident as a story, with the exact command for whatever waits for you."""

from argparse import ArgumentParser, Namespace

from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb, program


def arguments(parser: ArgumentParser) -> None:
    """Add which incident."""
    parser.add_argument("incident", metavar="ID", help="the incident, as `firebreak incidents` shows it")
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Tell one incident."""
    import asyncio
    from datetime import UTC, datetime

    from workers.cli import story
    from workers.cli.ledger import Found, Ledger
    from workers.cli.output import emit, note
    from workers.cli.screen import Screen

    target = resolve(options)

    async def read() -> Found:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        return await ledger.find(options.incident)

    found = asyncio.run(read())
    incident, summary, now = found.incident, found.incident.summary, datetime.now(UTC)
    if not found.whole:
        note("No worker can tell the whole story now; this is what the list knows. Is the orchestrator up?")

    def table() -> None:
        screen, command = Screen(), program(options)
        for line in story.headline(summary, now):
            screen.say(line.text, line.style, line.indent)
        tell = story.tell(incident, now, command) if found.whole else story.brief(summary, now, command)
        screen.sections(tell)
        if target.status and target.status.endpoints.temporal_ui:
            base, space = target.status.endpoints.temporal_ui, target.temporal_namespace
            screen.say()
            screen.say(f"In Temporal: {base}/namespaces/{space}/workflows/{summary.id}", "dim")

    emit(options, incident.model_dump(mode="json"), table)
    return 0


VERB = Verb(name="describe", help="tell one incident as a story", arguments=arguments, run=run)
