"""`firebreak histories export DIR` and `replay DIR`: would a new version go on with the incidents of today?"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from workers.cli.durations import seconds
from workers.cli.target import resolve, temporal_arguments
from workers.cli.verb import Verb, program


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with which folder."""
    parser.add_argument(
        "what",
        choices=("export", "replay"),
        help="export: real histories, redacted, into a folder; replay: with this version, exit code 1 at the"
        " first that would break",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="for export a new or empty one")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=seconds,
        default=seconds("7d"),
        help="export: also what ended so long ago, such as 12h (default: 7d); what is open always",
    )
    temporal_arguments(parser)


def run(options: Namespace) -> int:
    """Export, or replay."""
    return _export(options) if options.what == "export" else _replay(options)


def _export(options: Namespace) -> int:
    import asyncio
    from datetime import UTC, datetime, timedelta

    from workers.cli import recording
    from workers.cli.ledger import Ledger
    from workers.cli.output import emit, note
    from workers.cli.screen import Screen
    from workers.cli.words import count
    from workers.histories import Index, prepare

    target, screen = resolve(options), Screen()
    prepare(options.folder)
    since = datetime.now(UTC) - timedelta(seconds=options.since)

    async def export() -> Index:
        ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
        tell = screen.say if options.output == "table" else lambda _: None
        return await recording.export(ledger, options.folder, since, tell)

    index = asyncio.run(export())
    for reason in index.left_out:
        note(f"Not exported: {reason}.")
    for one in index.runs:
        if not one.replays:
            note(f"Does not replay with this version: {one.workflow} {one.id}, {one.file}.")

    def table() -> None:
        screen.say(f"{count(len(index.runs), 'history')} in {options.folder}.", "bold")
        screen.say(f"`{program()} histories replay {options.folder}` replays them with the version it is of.")

    emit(options, index.model_dump(mode="json"), table)
    return 0


def _replay(options: Namespace) -> int:
    """Replay until the first that would break; one that broke before is said, and is no reason to stop."""
    import asyncio

    from workers.cli import recording
    from workers.cli.output import emit, note
    from workers.cli.screen import Screen
    from workers.replaying import ADVICE, Replayed

    screen, documents = Screen(), list[dict[str, object]]()

    async def first_broken() -> Replayed | None:
        async for replayed, before in recording.check(options.folder):
            documents.append(recording.document(replayed, before=before))
            if options.output == "table":
                screen.say(replayed.told() + (", as with the version that exported it" if before else ""))
            if replayed.breach and not before:
                return replayed
        return None

    broken = asyncio.run(first_broken())
    emit(options, documents, lambda: None)
    if broken and broken.breach:
        note(
            f"This version would stop {broken.workflow} {broken.history.workflow_id} at event"
            f" {broken.breach.event}, {broken.breach.kind}. Do not deploy it. {ADVICE}"
        )
    return 1 if broken else 0


VERB = Verb(
    name="histories",
    help="export real histories, and replay them with another version before it is deployed",
    arguments=arguments,
    run=run,
)
