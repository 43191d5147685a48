"""`firebreak context`: what the cluster was at any moment, who made it so, and how sure that is."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.moments import moment, takes_moments
from workers.cli.past import store_arguments
from workers.cli.verb import Verb, shared_arguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from activities.graph.slices import Slice


def arguments(parser: ArgumentParser) -> None:
    """Add the questions."""
    questions = parser.add_subparsers(dest="question", metavar="QUESTION")
    at = questions.add_parser("at", help="all objects as they were at a moment")
    takes_moments(at)
    at.add_argument("moment", metavar="T", type=moment, help="2026-11-25T14:03:22Z, -15m, `15m ago` or now")
    at.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help="only of this kind, such as Pod"
    )
    at.add_argument("--namespace", "-n", action="append", default=[], metavar="NAME", help="only of this one")
    history = questions.add_parser("history", help="every version of one object, with who made it")
    history.add_argument(
        "entity", metavar="ENTITY", help="pod/NAMESPACE/NAME, role/NAMESPACE/NAME, node/NAME"
    )
    diff = questions.add_parser("diff", help="what is different between two moments")
    takes_moments(diff)
    diff.add_argument("before", metavar="T1", type=moment, help="the earlier moment")
    diff.add_argument("after", metavar="T2", type=moment, help="the later moment")
    status = questions.add_parser("status", help="how much is remembered, since when, and what is not")
    export = questions.add_parser(
        "export", help="the past that an incident needs, as a file that proves itself"
    )
    takes_moments(export)
    export.add_argument("file", metavar="FILE", type=Path, help="a new file")
    export.add_argument("--incident", required=True, metavar="ID", help="what was kept for this incident")
    export.add_argument("--since", metavar="T", type=moment, help="cut it anew, from this moment")
    export.add_argument("--until", metavar="T", type=moment, help="until this moment (default: now)")
    export.add_argument(
        "--namespace", "-n", action="append", default=[], metavar="NAME", help="only of this one"
    )
    verify = questions.add_parser("verify", help="prove such a file, with nothing else alive")
    verify.add_argument("file", metavar="FILE", type=Path, help="what `export` wrote")
    verify.add_argument(
        "--head", metavar="SHA256", default="", help="the head that the incident has on record"
    )
    for one in (at, history, diff, status, export):
        store_arguments(one)
    for one in (at, history, diff, status, export, verify):
        shared_arguments(one)
    parser.set_defaults(question="status", store=None)


def run(options: Namespace) -> int:
    """Answer one question from the context store's file."""
    answers: dict[str, Callable[[Namespace], int]] = {
        "at": _at,
        "history": _history,
        "diff": _diff,
        "status": _status,
        "export": _export,
        "verify": _verify,
    }
    return answers[options.question](options)


def _micros(at: "datetime") -> int:
    from activities.graph.past import micros

    return micros(at)


def _at(options: Namespace) -> int:
    from workers.cli import remembered
    from workers.cli.output import emit
    from workers.cli.past import doubts, open_store, say
    from workers.cli.screen import Screen

    with open_store(options) as store:
        state = store.state_at(_micros(options.moment))
        document = remembered.snapshot(store, state, options.kind, options.namespace)
    say(doubts(state, options.kind))

    def table() -> None:
        screen = Screen()
        screen.say(f"{len(document['items'])} objects at {document['at']}", "bold")
        screen.table(("kind", "objects"), remembered.counts(document["items"]))
        if document["uncertain"]:
            rows = [
                (
                    one["kind"],
                    one["namespace"] or "",
                    one["name"],
                    "likeliest" if one["likeliest"] else "or this",
                )
                for one in document["uncertain"]
            ]
            screen.say("Not certain, for they changed at about that time:")
            screen.table(("kind", "namespace", "name", ""), rows)

    emit(options, document, table)
    return 0


def _history(options: Namespace) -> int:
    from signals.errors import NotFound
    from workers.cli import remembered
    from workers.cli.output import emit
    from workers.cli.past import open_store
    from workers.cli.screen import Screen

    kind, namespace, name = remembered.entity(options.entity)
    with open_store(options) as store:
        found = [*remembered.history(store, store.history(kind, namespace, name))]
        if not found:
            raise NotFound(f"The context store has never seen {options.entity}.")
        document = [
            {**version.document(store.body(version)), "changed": changed} for version, changed in found
        ]
    rows = [remembered.history_row(version, changed) for version, changed in found]
    emit(options, document, lambda: Screen().table(remembered.HISTORY, rows))
    return 0


def _diff(options: Namespace) -> int:
    from workers.cli import remembered
    from workers.cli.output import emit
    from workers.cli.past import doubts, open_store, say
    from workers.cli.screen import Screen

    with open_store(options) as store:
        before, after = (store.state_at(_micros(at)) for at in (options.before, options.after))
        found = remembered.differences(store, before, after)
        gaps = store.gaps(before.at, after.at)
    say(tuple(dict.fromkeys([*doubts(before), *doubts(after), *map(str, gaps)])))
    rows = [remembered.diff_row(one) for one in found]
    emit(options, found, lambda: Screen().table(remembered.DIFF, rows))
    return 0


def _status(options: Namespace) -> int:
    from datetime import UTC, datetime

    from activities.graph.past import written
    from workers.cli.output import emit
    from workers.cli.past import open_store
    from workers.cli.screen import Screen

    with open_store(options) as store:
        now = _micros(datetime.now(UTC))
        alive = store.fact("alive") or 0
        kinds, counted = store.kinds(), store.counts()
        document = {
            **counted,
            "alive": written(alive),
            "lag_seconds": round((now - alive) / 1e6, 3),
            "answers_from": written(store.fact("horizon")),
            "kinds": [{**one, "heard": written(one["heard"]), "lost": written(one["lost"])} for one in kinds],
        }

    def table() -> None:
        screen = Screen()
        screen.say(
            f"{counted['objects']} objects, {counted['versions']} versions, {counted['bytes'] >> 20} MiB;"
            f" last written {document['lag_seconds']:.1f} s ago",
            "bold",
        )
        rows = [
            (one["kind"], str(one["objects"]), one["trouble"] or "watched")
            for one in kinds
            if one["heard"] or one["trouble"]
        ]
        screen.table(("kind", "objects", "how it is"), rows)

    emit(options, document, table)
    return 0


def _export(options: Namespace) -> int:
    from datetime import UTC, datetime

    from activities.adapters.version_slices import cut, keep
    from signals.errors import BadInput, NotFound
    from workers.cli.output import emit, note
    from workers.cli.past import open_store
    from workers.past_answers import slice_file, slices_folder

    if options.file.exists():
        raise BadInput(f"{options.file} exists; name a new file.")
    with open_store(options) as store:
        kept = slice_file(slices_folder(store.path), options.incident)
        if options.since is not None:
            since, until = _micros(options.since), _micros(options.until or datetime.now(UTC))
            keep(options.file, cut(store, options.incident, since, until, tuple(options.namespace)))
        elif kept.is_file():
            options.file.write_bytes(kept.read_bytes())
        else:
            raise NotFound(f"Nothing was kept for {options.incident}; say what with --since T [-n NAME].")
    found = _proved(options.file, "")
    document = {"file": str(options.file), "versions": found.versions, "head": found.head}
    emit(options, document, lambda: note(f"{found.versions} versions; head sha256:{found.head}"))
    return 0


def _verify(options: Namespace) -> int:
    from workers.cli.output import emit, note

    found = _proved(options.file, options.head.removeprefix("sha256:"))
    document = {"versions": found.versions, "head": found.head, **found.header}
    emit(options, document, lambda: note(f"It is whole: {found.versions} versions; head sha256:{found.head}"))
    return 0


def _proved(file: Path, head: str) -> "Slice":
    from activities.graph.slices import verify
    from signals.errors import BadInput

    try:
        with file.open("rb") as lines:
            return verify(lines, head)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


VERB = Verb(
    name="context",
    help="what the cluster was at a moment, who made it so, and how sure that is",
    arguments=arguments,
    run=run,
)
