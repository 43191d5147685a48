"""The past as commands read it: from the context store's file, whether or not anything of ours is alive."""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.moments import moment, takes_moments
from workers.cli.verb import state_dir

if TYPE_CHECKING:
    from activities.adapters.version_file import VersionFile
    from activities.graph.manifests import Snapshot
    from activities.graph.past import Missing, State

NAMED = 4
"""Kinds that one line names."""
SHOWN = 12
"""Lines about what is not known that a person is shown."""


def store_arguments(parser: ArgumentParser) -> None:
    """Add where the context store is."""
    parser.add_argument(
        "--store", metavar="FILE", type=Path, help="a context store's file (default: the embedded stack's)"
    )


def past_arguments(parser: ArgumentParser) -> None:
    """Add the options of a command that can also answer for the past."""
    takes_moments(parser)
    parser.add_argument(
        "--at", metavar="T", type=moment, help="as it was then: 2026-11-25T14:03:22Z, -15m or `15m ago`"
    )
    store_arguments(parser)


def open_store(options: Namespace) -> "VersionFile":
    """Open the file that these options mean.

    Raises:
        BadInput: there is none.
        Unavailable: it cannot be read.
    """
    from activities.adapters.version_file import VersionFile
    from signals.errors import BadInput
    from workers.stack.layout import Layout

    path = options.store or Layout(state_dir(options)).context / "versions.db"
    if not path.is_file():
        raise BadInput(
            f"There is no context store {path}: it is written while the agent context-store runs."
            " Name a file with --store, or a stack with --state."
        )
    return VersionFile(path)


def load_past(options: Namespace, kinds: Collection[str]) -> "tuple[Snapshot, str, tuple[str, ...]]":
    """Return the objects of some kinds as they were at `--at`, that moment, and what is not certain about it.

    The latter is also told to the person.

    Raises:
        BadInput: there is no store.
        Unavailable: it cannot be read.
    """
    from activities.graph.documents import Document
    from activities.graph.manifests import KINDS, gather
    from activities.graph.past import micros

    with open_store(options) as store:
        state = store.state_at(micros(options.at))
        chosen = kinds or sorted({kind for _, kind in KINDS})
        at = options.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        place = f"the context store at {at}"
        found = [Document(manifest, place, 0) for _, manifest in store.manifests(state.held, chosen)]
    missing = doubts(state, chosen)
    say(missing)
    return gather(found), at, missing


def doubts(state: "State", kinds: Collection[str] = ()) -> tuple[str, ...]:
    """Return what is not certain about a state, in a line for each reason."""
    from activities.graph.past import EVERYTHING

    by_reason: dict[str, list[Missing]] = {}
    for one in state.missing:
        if not kinds or one.kind in {*kinds, EVERYTHING}:
            by_reason.setdefault(one.why, []).append(one)
    found = [_line(some) for some in by_reason.values()]
    if state.uncertain:
        found.append(f"{state.uncertain} objects changed at about that time: `context at` names them")
    return tuple(found)


def _line(some: "list[Missing]") -> str:
    """Return one line about some kinds that are not certain for one reason."""
    names = list(dict.fromkeys(one.kind for one in some))
    more = f" and {len(names) - NAMED} more kinds" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}: {max(some, key=lambda one: one.hi).detail}"


def say(missing: tuple[str, ...]) -> None:
    """Tell a person what is not known."""
    from signals.display import terminal
    from workers.cli.output import note

    for line in missing[:SHOWN]:
        note(f"Not certain: {terminal(line, 300)}.")
    if len(missing) > SHOWN:
        note(f"… and {len(missing) - SHOWN} more that is not certain.")
