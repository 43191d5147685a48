"""`firebreak context`: what the cluster was at any moment, who made it so, and how sure that is."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli.moments import moment, takes_moments
from workers.cli.past import store_arguments
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


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
    for one in (at, history, diff, status):
        store_arguments(one)
    parser.set_defaults(question="status", store=None)


def run(options: Namespace) -> int:
    """Answer one question from the context store's file."""
    answers: dict[str, Callable[[Namespace], int]] = {
        "at": _at,
        "history": _history,
        "diff": _diff,
        "status": _status,
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


VERB = Verb(
    name="context",
    help="what the cluster was at a moment, who made it so, and how sure that is",
    arguments=arguments,
    run=run,
)
